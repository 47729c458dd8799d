"""Slow NumPy loops of what networks over several cameras do: an oracle."""

import math

import numpy as np

from tests.reference import softmax


def sinusoid(position, index, width):
    """One entry of the table of positions."""
    angle = position / 10000 ** (2 * (index // 2) / width)
    return math.cos(angle) if index % 2 else math.sin(angle)


def dense(layer, x):
    """A dense layer of ours on vectors."""
    kernel = np.asarray(layer["kernel"], np.float64)
    return np.asarray(x, np.float64) @ kernel + np.asarray(layer["bias"], np.float64)


def cross_modal(layers, visual, audio, heard, *, heads):
    """Attention of one camera's frames ``[T D]`` to their sound, frame by frame."""
    frames, width = visual.shape
    places = np.array(
        [[sinusoid(t, i, width) for i in range(width)] for t in range(frames)]
    )
    keys = [t for t in range(frames) if heard[t]]
    out = np.zeros((frames, width))
    if not keys:
        return out
    size = width // heads
    for t in range(frames):
        query = dense(layers["query"], visual[t] + places[t])
        found = np.zeros(width)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores, values = [], []
            for s in keys:
                heard_here = audio[s] + places[s]
                key = dense(layers["key"], heard_here)[part]
                scores.append(query[part] @ key / math.sqrt(size))
                values.append(dense(layers["value"], heard_here)[part])
            found[part] = softmax(np.array(scores)) @ np.array(values)
        out[t] = dense(layers["out"], found)
    return out


def select(cas, flow, rgb, there, *, ratio):
    """For one clip ``[T K]``: the frames of each class, best first, and its logits."""
    frames, classes = cas.shape
    count = max(int(np.sum(there)) // ratio, 1)
    probability = [softmax(row) for row in cas]
    selected, logits = [], []
    for k in range(classes):
        ranked = [
            (-(probability[t][k] + flow[t] + rgb[t]) / 3, t)
            for t in range(frames)
            if there[t]
        ]
        best = [t for _, t in sorted(ranked)[:count]]
        selected.append(best)
        logits.append(np.mean([cas[t, k] for t in best]))
    return selected, np.array(logits)

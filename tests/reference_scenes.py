"""Sampling and labels of untrimmed clips as loops, written from their descriptions."""

import math

import numpy as np


def perturbed(length, count, rng):
    """Frame after frame, drawn from all those that lie between two even ones."""
    if length == count:
        return list(range(count))
    even = [math.floor(k * length / count) for k in range(count)]
    out = []
    for k, first in enumerate(even):
        last = even[k + 1] if k + 1 < count else length - 1
        choices = list(range(first, last + 1))
        out.append(choices[rng.randint(0, len(choices))] if len(choices) > 1 else first)
    return out


def grid_labels(instances, length, count, rate):
    """One frame and one action at a time; Python rounds halves to the even frame."""
    out = np.zeros((length, count), np.float32)
    for t in range(length):
        for label, start, end in instances:
            if round(start * rate) <= t <= round(end * rate):
                out[t, label] = 1
    return out


def overlap(one, other):
    """Shared area of two boxes (x0, y0, x1, y1) over their joint area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)

"""Slow NumPy loops of the graphs of a batch: an oracle."""

import math

import numpy as np

from tests.reference import adaptive_mean, softmax


def graph(nodes):
    """Gaussian similarities of a graph's nodes, and divided by the degrees."""
    count = len(nodes)
    squares = np.zeros((count, count))
    for m in range(count):
        for n in range(count):
            squares[m, n] = np.sum((nodes[m].ravel() - nodes[n].ravel()) ** 2)
    edges = np.exp(-squares / (squares.sum() / (count * (count - 1))))
    degree = edges.sum(axis=1)
    return edges, edges / np.sqrt(np.outer(degree, degree))


def graph_pair(student, teacher, *, scale=None, mean=False):
    """Two stages ``[N H W C]``: the distance of their mixed activation maps."""
    student, teacher = np.asarray(student, np.float64), np.asarray(teacher, np.float64)
    count = len(student)
    scale = 1 / math.sqrt(count) if scale is None else scale
    scores = scale * graph(student)[1] @ graph(teacher)[1].T
    attention = np.stack([softmax(row) for row in scores])
    maps = [np.mean(f**2, axis=-1) for f in (student, teacher)]
    for axis in (1, 2):
        size = min(m.shape[axis] for m in maps)
        maps = [adaptive_mean(m, axis, size) for m in maps]
    out = 0.0
    for n in range(count):
        rows = [np.tensordot(attention[n], m, axes=1).ravel() for m in maps]
        rows = [row / np.linalg.norm(row) for row in rows]
        out += np.sum((rows[0] - rows[1]) ** 2) / (rows[0].size if mean else 1)
    return out / count

"""Slow NumPy loops of transformers and of grids of positions: the oracle.

They work in float64 on one example at a time, read parameters as nested dicts, and know
nothing of the library.
"""

import math

import numpy as np


def dense(x, params):
    """A linear layer on one vector."""
    out = np.asarray(x, np.float64) @ np.asarray(params["kernel"], np.float64)
    return out + np.asarray(params.get("bias", 0.0), np.float64)


def layer_norm(x, params, epsilon):
    """Normalisation of one vector."""
    x = np.asarray(x, np.float64)
    unit = (x - x.mean()) / math.sqrt(x.var() + epsilon)
    return unit * np.asarray(params["scale"]) + np.asarray(params["bias"])


def gelu(x):
    """The exact one, by the error function."""
    return np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x])


def attention(queries, keys, params, heads, mask=None):
    """Answers [Q D] and weights [heads Q S] of one example."""
    q, k, v = (
        np.array([dense(x, params[name]) for x in xs])
        for name, xs in (("query", queries), ("key", keys), ("value", keys))
    )
    width = q.shape[1] // heads
    weights = np.zeros((heads, len(q), len(k)))
    found = np.zeros_like(q)
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        for i in range(len(q)):
            scores = [q[i, part] @ k[j, part] / math.sqrt(width) for j in range(len(k))]
            there = [mask is None or bool(mask[j]) for j in range(len(k))]
            if not any(there):
                scores, there = [0.0] * len(k), [True] * len(k)
            top = max(s for s, t in zip(scores, there) if t)
            shares = [math.exp(s - top) if t else 0.0 for s, t in zip(scores, there)]
            weights[h, i] = np.array(shares) / sum(shares)
            for j in range(len(k)):
                found[i, part] += weights[h, i, j] * v[j, part]
    return np.array([dense(row, params["out"]) for row in found]), weights


def layer(x, params, heads, *, norm, activation, epsilon, mask=None):
    """One transformer layer on tokens [T D]."""

    def normalise(rows, name):
        return np.array([layer_norm(row, params[name], epsilon) for row in rows])

    def attend(rows):
        return attention(rows, rows, params["attention"], heads, mask)[0]

    def hidden(rows):
        function = {"gelu": gelu, "relu": lambda v: np.maximum(v, 0)}[activation]
        inner = [function(dense(row, params["dense1"])) for row in rows]
        return np.array([dense(row, params["dense2"]) for row in inner])

    for function, name in ((attend, "norm1"), (hidden, "norm2")):
        if norm == "before":
            x = x + function(normalise(x, name))
        else:
            x = normalise(x + function(x), name)
    return x


def _keys(x, a):
    """Keys' cubic kernel with slope `a`."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def resize_axis(values, new, method):
    """Values [N ...] at `new` places along the first axis, by PyTorch's definitions."""
    old, out = len(values), []
    for i in range(new):
        at = (i + 0.5) * old / new - 0.5
        if method == "corners":
            at = i * (old - 1) / (new - 1)
        if method in ("bilinear", "corners"):
            at = min(max(at, 0.0), old - 1.0)
            low = min(int(at), old - 1)
            high = min(low + 1, old - 1)
            out.append(values[low] * (1 - (at - low)) + values[high] * (at - low))
        elif method == "bicubic":
            low = math.floor(at)
            taps = range(low - 1, low + 3)
            out.append(
                sum(
                    _keys(at - j, -0.75) * values[min(max(j, 0), old - 1)] for j in taps
                )
            )
        elif method == "bicubic_antialias":
            stretch = max(old / new, 1.0)
            first = max(int(at + 0.5 - 2 * stretch + 0.5), 0)
            last = min(int(at + 0.5 + 2 * stretch + 0.5), old)
            shares = [_keys((j - at) / stretch, -0.5) for j in range(first, last)]
            taps = range(first, last)
            out.append(sum(s * values[j] for s, j in zip(shares, taps)) / sum(shares))
    return np.stack(out)


def resize_grid(grid, shape, method):
    """A grid [R S D] of another size: the columns first, then the rows."""
    grid = np.asarray(grid, np.float64)
    grid = np.swapaxes(resize_axis(np.swapaxes(grid, 0, 1), shape[1], method), 0, 1)
    return resize_axis(grid, shape[0], method)

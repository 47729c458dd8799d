"""Slow NumPy loops of losses with several labels and several views: an oracle."""

import itertools
import math

import numpy as np

from tests import reference


def sigmoid(z):
    """The logistic function of one number, safe for large ones."""
    return math.exp(min(z, 0.0)) / (1.0 + math.exp(-abs(z)))


def compete(x, y, positive_temperature, negative_temperature):
    """One class over its samples, or one sample over its classes."""
    pull = push = 0.0
    for z, label in zip(x, y):
        pull += math.exp(-z / positive_temperature - (0 if label > 0 else 100))
        push += math.exp(z / negative_temperature - (100 if label > 0 else 0))
    gap = positive_temperature * math.log(pull) + negative_temperature * math.log(push)
    return max(gap, 0.0) + math.log1p(math.exp(-abs(gap)))


def two_way(x, y, *, positive_temperature=4.0, negative_temperature=1.0):
    """The two-way loss of a batch without padding."""
    x, y = np.asarray(x, np.float64), np.asarray(y)
    out = 0.0
    for rows, labels in ((x.T, y.T), (x, y)):
        terms = [
            compete(row, label, positive_temperature, negative_temperature)
            for row, label in zip(rows, labels)
            if any(value > 0 for value in label)
        ]
        out += sum(terms) / max(len(terms), 1)
    return out


def generalised_cross_entropy(p, y, *, q=0.7):
    """Both sides of the loss per example."""
    out = np.zeros(len(p))
    for b in range(len(p)):
        for side in (0, 1):
            total = count = 0.0
            for value, label in zip(np.asarray(p[b], np.float64), y[b]):
                weight = label if side else 1.0 - label
                right = value if side else 1.0 - value
                total += weight * (1.0 - (right + 1e-7) ** q) / q
                count += weight
            out[b] += total / (count + 1e-7)
    return out


def human_cross_entropy(logits, confidence):
    """Cross-entropy over time per view."""
    out = np.zeros(len(logits))
    for b in range(len(logits)):
        for log_p, value in zip(reference.log_softmax(logits[b]), confidence[b]):
            out[b] -= value * log_p
    return out


def frame_kl(student, teacher, *, temperature, kind="softmax"):
    """Softened divergence per example, averaged over frames."""
    out = np.zeros(len(student))
    for b in range(len(student)):
        for s, t in zip(student[b], teacher[b]):
            if kind == "softmax":
                out[b] += reference.kd_kl([s], [t], temperature=temperature)[0]
                continue
            for ours, theirs in zip(s, t):
                pair = [[ours, 0.0]], [[theirs, 0.0]]
                out[b] += reference.kd_kl(*pair, temperature=temperature)[0]
    return out / len(student[0])


def feature_distillation(students, teachers, *, reduction="sum"):
    """Squared distances of all features per example, averaged over frames."""
    out = np.zeros(len(students[0]))
    for student, teacher in zip(students, teachers):
        for b in range(len(out)):
            for s, t in zip(student[b], teacher[b]):
                gap = np.asarray(s, np.float64) - np.asarray(t, np.float64)
                square = float(gap @ gap) / len(student[b])
                out[b] += square / (len(gap) if reduction == "mean" else 1)
    return out


def hallucination(student, teacher):
    """Squared distances of logistic features per example, averaged over frames."""
    ours, theirs = (np.vectorize(sigmoid)(f) for f in (student, teacher))
    return feature_distillation([ours], [theirs])


def kl(p, q):
    """Divergence of two vectors of probabilities."""
    return sum(a * math.log(a / b) for a, b in zip(p, q) if a > 0)


def divergence(p, q, kind):
    """One of the divergences of two vectors of probabilities."""
    middle = (p + q) / 2
    return {
        "js": lambda: (kl(p, middle) + kl(q, middle)) / 2,
        "kl": lambda: kl(p, q),
        "kl_symmetric": lambda: (kl(p, q) + kl(q, p)) / 2,
    }[kind]()


def disagreement(z_i, z_j, *, weight, kind, name):
    """Two views in one frame: the weighted divergence of their predictions."""
    if kind == "softmax":
        p, q = reference.softmax(z_i), reference.softmax(z_j)
        value = divergence(p, q, name)
    else:
        p, q = (np.array([sigmoid(z) for z in side]) for side in (z_i, z_j))
        both = [[np.array([v, 1 - v]) for v in side] for side in (p, q)]
        value = sum(divergence(a, b, name) for a, b in zip(*both))
    return value * (max(p) * max(q) if weight == "confidence" else 1.0)


def view_consistency(
    logits,
    visible,
    *,
    present=None,
    weight="confidence",
    divergence="js",
    norm="constant",
    kind="softmax",
):
    """Disagreement of all pairs of views per example."""
    logits = np.asarray(logits, np.float64)
    present = np.ones(logits.shape[:-1]) if present is None else present
    out = np.zeros(len(logits))
    for b in range(len(out)):
        real = seen = 0
        for i, j in itertools.combinations(range(logits.shape[1]), 2):
            for t in range(logits.shape[2]):
                here = present[b, i, t] > 0 and present[b, j, t] > 0
                both = here and visible[b, i, t] > 0 and visible[b, j, t] > 0
                real, seen = real + here, seen + both
                if both:
                    sides = logits[b, i, t], logits[b, j, t]
                    out[b] += disagreement(
                        *sides, weight=weight, kind=kind, name=divergence
                    )
        out[b] /= max(seen if norm == "visible" else real, 1)
    return out

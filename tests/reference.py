"""Slow NumPy loops, written from the equations: the oracle of losses and numbers.

They work in float64 on one example at a time and know nothing of the library. ``*B``
is a single batch axis here; batch-coupled losses return one number.
"""

import itertools
import math

import numpy as np


def softmax(z):
    """Softmax of one vector."""
    e = np.exp(np.asarray(z, np.float64) - np.max(z))
    return e / e.sum()


def log_softmax(z):
    """Logarithm of the softmax of one vector, safe for large values."""
    z = np.asarray(z, np.float64) - np.max(z)
    return z - math.log(np.exp(z).sum())


def soft_cross_entropy(logits, target, *, label_smoothing=0.0):
    """One value per example, against a distribution."""
    out = np.zeros(len(logits))
    for b in range(len(logits)):
        log_p, classes = log_softmax(logits[b]), len(logits[b])
        for c in range(classes):
            q = (1 - label_smoothing) * target[b][c] + label_smoothing / classes
            out[b] -= q * log_p[c]
    return out


def cross_entropy(logits, label, *, label_smoothing=0.0):
    """One value per example, against a class index."""
    target = np.eye(len(logits[0]))[np.asarray(label)]
    return soft_cross_entropy(logits, target, label_smoothing=label_smoothing)


def kd_kl(student, teacher, *, temperature, kd_t2=True):
    """Softened KL divergence per example."""
    out = np.zeros(len(student))
    for b in range(len(student)):
        p = softmax(np.asarray(teacher[b], np.float64) / temperature)
        log_p = log_softmax(np.asarray(teacher[b], np.float64) / temperature)
        log_q = log_softmax(np.asarray(student[b], np.float64) / temperature)
        for c in range(len(p)):
            out[b] += p[c] * (log_p[c] - log_q[c])
    return out * (temperature**2 if kd_t2 else 1.0)


def mean_squared(student, teacher):
    """Mean squared difference per example: hints and logit regression."""
    student, teacher = np.asarray(student, np.float64), np.asarray(teacher, np.float64)
    return np.array([np.mean((s - t) ** 2) for s, t in zip(student, teacher)])


def semantic(student, teacher):
    """Summed squared difference per example."""
    return mean_squared(student, teacher) * len(student[0])


def adaptive_mean(x, axis, size):
    """PyTorch's adaptive average pooling along one axis."""
    length = x.shape[axis]
    parts = []
    for i in range(size):
        start, stop = i * length // size, math.ceil((i + 1) * length / size)
        parts.append(np.take(x, range(start, stop), axis=axis).mean(axis=axis))
    return np.stack(parts, axis=axis)


def attention_map(f, *, exponent=2):
    """Attention of one example ``[spatial... C]`` as a unit vector."""
    positions = f.reshape(-1, f.shape[-1])
    energy = [np.mean([abs(v) ** exponent for v in position]) for position in positions]
    return np.array(energy) / max(np.linalg.norm(energy), 1e-12)


def attention_transfer(student, teacher, *, exponent=2):
    """Attention transfer of one stage per example."""
    out = np.zeros(len(student))
    for b in range(len(student)):
        s, t = np.asarray(student[b], np.float64), np.asarray(teacher[b], np.float64)
        for axis in range(s.ndim - 1):
            size = min(s.shape[axis], t.shape[axis])
            s, t = adaptive_mean(s, axis, size), adaptive_mean(t, axis, size)
        ours, theirs = (attention_map(f, exponent=exponent) for f in (s, t))
        out[b] = np.mean((ours - theirs) ** 2)
    return out


def smooth_l1(x, y):
    """Smooth-L1 of two numbers, beta 1."""
    gap = abs(x - y)
    return 0.5 * gap**2 if gap < 1 else gap - 0.5


def distance_matrix(x):
    """Distances among rows, clamped below, the diagonal zero."""
    count = len(x)
    out = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if i != j:
                out[i, j] = math.sqrt(max(((x[i] - x[j]) ** 2).sum(), 1e-12))
    return out


def rkd_distance(student, teacher, *, mean="positive"):
    """Distance-wise relational loss."""
    scaled = []
    for x in (student, teacher):
        d = distance_matrix(np.asarray(x, np.float64))
        scaled.append(d / (d[d > 0].mean() if mean == "positive" else d.mean()))
    ours, theirs = (d.ravel() for d in scaled)
    return sum(smooth_l1(s, t) for s, t in zip(ours, theirs)) / len(student) ** 2


def cosine_of_angle(x, i, j, k):
    """Cosine of the angle at row i between rows j and k."""
    a, b = x[j] - x[i], x[k] - x[i]
    a, b = (v / max(np.linalg.norm(v), 1e-12) for v in (a, b))
    return float(a @ b)


def rkd_angle(student, teacher):
    """Angle-wise relational loss."""
    s, t = np.asarray(student, np.float64), np.asarray(teacher, np.float64)
    count, total = len(s), 0.0
    for i in range(count):
        for j in range(count):
            for k in range(count):
                args = i, j, k
                total += smooth_l1(cosine_of_angle(s, *args), cosine_of_angle(t, *args))
    return total / count**3


def rkd(student, teacher, *, distance_weight=25.0, angle_weight=50.0):
    """Weighted sum of both."""
    distance, angle = rkd_distance(student, teacher), rkd_angle(student, teacher)
    return distance_weight * distance + angle_weight * angle


def similarity_matrix(x):
    """Inner products of flattened rows, each row of the matrix of unit length."""
    rows = np.asarray(x, np.float64).reshape(len(x), -1)
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        for j in range(len(x)):
            out[i, j] = (rows[i] * rows[j]).sum()
        out[i] /= max(np.linalg.norm(out[i]), 1e-12)
    return out


def similarity_preserving(student, teacher):
    """Squared difference of both matrices over B squared."""
    gap = similarity_matrix(teacher) - similarity_matrix(student)
    return (gap**2).sum() / len(student) ** 2


def correlation_matrix(x, *, gamma=0.4, order=2):
    """Truncated series of the Gaussian kernel on the unit sphere."""
    x = np.asarray(x, np.float64)
    rows = [row / max(np.linalg.norm(row), 1e-12) for row in x]
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        for j in range(len(x)):
            for p in range(order + 1):
                term = (2 * gamma) ** p / math.factorial(p)
                out[i, j] += math.exp(-2 * gamma) * term * (rows[i] @ rows[j]) ** p
    return out


def correlation_kernel(student, teacher, *, gamma=0.4, order=2):
    """Mean squared difference of both kernel matrices."""
    ours, theirs = (
        correlation_matrix(x, gamma=gamma, order=order) for x in (student, teacher)
    )
    return ((ours - theirs) ** 2).mean()


def correlation_consecutive(student, teacher):
    """Products of the differences of neighbouring rows."""
    gap = np.abs(np.asarray(student, np.float64) - np.asarray(teacher, np.float64))
    return sum(float(a @ b) for a, b in itertools.pairwise(gap)) / (len(gap) - 1)


def confidence_weights(values):
    """Weights of the teachers ``[N B]`` from their cross-entropies."""
    values = np.asarray(values, np.float64)
    number, batch = values.shape
    out = np.ones_like(values)
    for b in range(batch):
        for n in range(number):
            if number > 1:
                out[n, b] = (1 - softmax(values[:, b])[n]) / (number - 1)
    return out


def gates(teachers, label, threshold, *, gate):
    """Open (1) or closed (0) by teacher and example."""
    out = np.ones((len(teachers), len(label)))
    for n, logits in enumerate(teachers):
        for b, y in enumerate(label):
            if gate == "correct":
                out[n, b] = np.argmax(logits[b]) == y
            elif gate != "none":
                limit = threshold[b] if gate == "loss" else np.mean(threshold)
                out[n, b] = cross_entropy(logits[b : b + 1], [y])[0] <= limit
    return out


def gated_weights(values, opened, *, select="soft", renorm=False):
    """Weights of the open teachers by example."""
    soft = confidence_weights(values)
    out = np.zeros_like(soft)
    for b in range(soft.shape[1]):
        candidates = [n for n in range(len(soft)) if opened[n, b]]
        if select == "hard" and candidates:
            out[min(candidates, key=lambda n: values[n, b]), b] = 1.0
        elif select == "soft":
            for n in candidates:
                out[n, b] = soft[n, b]
        if renorm and candidates:
            out[:, b] /= out[:, b].sum()
    return out


def acs_terms(student, teachers, label, hidden, hidden_teachers, *, options):
    """The four unweighted terms per example, options all given by name."""
    tau, soft_tau = options["temperature"], options["mk_temperature"]
    target = options.get("target", np.eye(len(student[0]))[np.asarray(label)])
    ce = soft_cross_entropy(student, target)
    kl = np.array(
        [kd_kl(student, t, temperature=tau, kd_t2=options["kd_t2"]) for t in teachers]
    )
    values = np.array([cross_entropy(t, label) for t in teachers])
    threshold = ce + options["alpha"] * kl.mean(axis=0)
    opened = gates(teachers, label, threshold, gate=options["gate"])
    omega = gated_weights(
        values, opened, select=options["select"], renorm=options["renorm"]
    )
    mk, distance = np.zeros(len(student)), np.zeros(len(student))
    for n, t in enumerate(teachers):
        if options["mk_form"] == "kl":
            mimic = kd_kl(student, t, temperature=soft_tau)
        else:
            target = [softmax(np.asarray(z, np.float64) / soft_tau) for z in t]
            scaled = np.asarray(student, np.float64) / soft_tau
            mimic = soft_tau**2 * soft_cross_entropy(scaled, target)
        mk += omega[n] * mimic
        distance += semantic(hidden, hidden_teachers[n]) / len(teachers)
    kl = (opened * kl if options["gate_kl"] else kl).mean(axis=0)
    return {"ce": ce, "kl": kl, "mk": mk, "semantic": distance}


def negative_cosine(prediction, target):
    """Minus the cosine per example; zero at a zero vector."""
    out = np.zeros(len(prediction))
    for b, (z, h) in enumerate(zip(prediction, target)):
        z, h = np.asarray(z, np.float64), np.asarray(h, np.float64)
        lengths = max(math.sqrt(z @ z), 1e-8) * max(math.sqrt(h @ h), 1e-8)
        out[b] = -(z @ h) / lengths
    return out


def view_share(prediction, targets, view):
    """One view's half of its pairs with all others."""
    targets = np.asarray(targets)
    out = np.zeros(len(prediction))
    for u in range(targets.shape[1]):
        if u != view:
            out += negative_cosine(prediction, targets[:, u]) / 2
    return out


def view_agreement(predictions, targets):
    """Both directions of every pair of views, halved."""
    predictions, targets = np.asarray(predictions), np.asarray(targets)
    out = np.zeros(len(predictions))
    for u, v in itertools.combinations(range(predictions.shape[1]), 2):
        out += negative_cosine(predictions[:, v], targets[:, u]) / 2
        out += negative_cosine(predictions[:, u], targets[:, v]) / 2
    return out


def confusion_matrix(logits, label, mask):
    """Counts by true class (row) and predicted class (column)."""
    out = np.zeros((len(logits[0]), len(logits[0])), int)
    for z, y, real in zip(logits, label, mask):
        out[y, np.argmax(z)] += int(real > 0)
    return out


def decoupled_terms(student, teacher, label, *, temperature, kd_t2=True):
    """Target and other classes' divergences per example, in plain probabilities."""
    target, others = np.zeros(len(student)), np.zeros(len(student))
    for b in range(len(student)):
        p = softmax(np.asarray(teacher[b], np.float64) / temperature)
        q = softmax(np.asarray(student[b], np.float64) / temperature)
        m = label[b]
        target[b] = p[m] * math.log(p[m] / q[m])
        target[b] += (1 - p[m]) * math.log((1 - p[m]) / (1 - q[m]))
        for c in range(len(p)):
            if c != m:
                ours, theirs = q[c] / (1 - q[m]), p[c] / (1 - p[m])
                others[b] += theirs * math.log(theirs / ours)
    scale = temperature**2 if kd_t2 else 1.0
    return scale * target, scale * others


def decoupled(student, teacher, label, *, temperature, target_weight, others_weight):
    """The weighted sum of both terms."""
    terms = decoupled_terms(student, teacher, label, temperature=temperature)
    return target_weight * terms[0] + others_weight * terms[1]


def guided_kl(student, teacher, label, *, temperature, decay):
    """The masked terms of the divergence per example."""
    out = np.zeros(len(student))
    for b in range(len(student)):
        p = softmax(np.asarray(teacher[b], np.float64) / temperature)
        log_q = log_softmax(np.asarray(student[b], np.float64) / temperature)
        m = decay * (2.0 if np.argmax(teacher[b]) == label[b] else 1.0)
        for c in range(len(p)):
            out[b] += m * p[c] * (math.log(m * p[c]) - m * log_q[c])
    return temperature**2 * out

"""Slow NumPy loops, written from the equations: the oracle of losses and heatmaps.

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


def window(low, high, length, reach):
    """First and last pixel around an interval, edges cut toward zero in float32."""
    if reach is None:
        return 0, length
    first, last = np.float32(low - reach), np.float32(high + reach)
    return max(int(first), 0), min(int(last) + 1, length)


def draw(plane, start, end, score, *, reach, sigma):
    """Raises a map ``[H W]`` to the Gaussian of a segment, within its window."""
    (ax, ay), (bx, by) = start, end
    x0, x1 = window(min(ax, bx), max(ax, bx), plane.shape[1], reach)
    y0, y1 = window(min(ay, by), max(ay, by), plane.shape[0], reach)
    if x0 >= x1 or y0 >= y1:
        return
    dx, dy = float(bx) - float(ax), float(by) - float(ay)
    x, y = np.arange(x0, x1) - float(ax), np.arange(y0, y1)[:, None] - float(ay)
    if dx or dy:
        along = np.clip((x * dx + y * dy) / (dx**2 + dy**2), 0, 1)
        x, y = x - along * dx, y - along * dy
    patch = score * np.exp(-(x**2 + y**2) / (2 * sigma**2))
    plane[y0:y1, x0:x1] = np.maximum(plane[y0:y1, x0:x1], patch)


def joint_heatmaps(joints, size, *, sigma=0.6, truncate=3.0, min_score=1e-3):
    """Maps ``[T H W J]`` of poses ``[T M J 3]``, patch by patch."""
    frames, persons, count, _ = joints.shape
    reach = truncate and np.float32(truncate * sigma)
    maps = np.zeros((frames, *size, count))
    for t, m, j in np.ndindex(frames, persons, count):
        *place, score = joints[t, m, j]
        if score >= np.float32(min_score):
            draw(maps[t, :, :, j], place, place, score, reach=reach, sigma=sigma)
    return maps


def limb_heatmaps(
    joints, limbs, size, *, sigma=0.6, truncate=3.0, min_score=1e-3, min_length=1.0
):
    """Maps ``[T H W L]`` of poses ``[T M J 3]``, patch by patch."""
    frames, persons = joints.shape[:2]
    reach = truncate and np.float32(truncate * sigma)
    maps = np.zeros((frames, *size, len(limbs)))
    for t, m, i in np.ndindex(frames, persons, len(limbs)):
        a, b = joints[t, m, limbs[i][0]], joints[t, m, limbs[i][1]]
        score = min(a[2], b[2])
        if score < np.float32(min_score):
            continue
        if (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 < min_length**2:
            b, score = a, a[2]
        draw(maps[t, :, :, i], a[:2], b[:2], score, reach=reach, sigma=sigma)
    return maps


def compact(points, size, *, padding=0.25, threshold=10, ratio=(1, 1), inside=False):
    """One clip's points ``[T M J 2]`` in a box around those found, and its size."""
    points = np.where(np.isnan(points), np.float32(0), points)
    height, width = size
    found = [points[..., i][points[..., i] != 0] for i in range(2)]
    if any(v.size == 0 or v.max() - v.min() < threshold for v in found):
        return points, size
    (cx, cy) = ((v.max() + v.min()) / 2 for v in found)
    (w, h) = ((v.max() - v.min()) / 2 * (1 + padding) for v in found)
    if ratio is not None:
        h = max(ratio[0] * w, h)
        w = max(1 / ratio[1] * h, w)
    x0, x1, y0, y1 = cx - w, cx + w, cy - h, cy + h
    if inside:
        x0, x1, y0, y1 = max(0, x0), min(width, x1), max(0, y0), min(height, y1)
    x0, x1, y0, y1 = int(x0), int(x1), int(y0), int(y1)
    return np.where(points != 0, points - np.float32([x0, y0]), 0), (y1 - y0, x1 - x0)

"""Slow NumPy loops over poses, written from the reference's description: an oracle.

They work on one clip of several persons at a time and know nothing of the library.
"""

import numpy as np


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

"""Skeletons [T M J C]: origin, orientation, missing joints."""

import numpy as np


def missing(skeleton: np.ndarray) -> np.ndarray:
    """Which joints were not seen: those whose coordinates are all zero.

    Args:
      skeleton: [... J C].

    Returns:
      Bool [... J 1].
    """
    return ~skeleton.any(-1, keepdims=True)


def relative(
    skeleton: np.ndarray, root: tuple[int, ...], *, spatial: int = 3
) -> np.ndarray:
    """Subtract a root from every joint of its body and frame.

    Args:
      skeleton: [T M J C].
      root: joints whose mean is the origin; (2,) is the spine of the Kinect v1.
      spatial: leading channels that are coordinates; a score behind them is kept.

    Returns:
      The same shape. Missing joints stay zero; where the root is missing, it is
      interpolated in time, and a body without it in any frame stays where it is.
    """
    moved = skeleton.copy()
    for m in range(skeleton.shape[1]):
        origin = _path(skeleton[:, m, list(root), :spatial])
        moved[:, m, :, :spatial] -= origin[:, None]
    return np.where(missing(skeleton), 0, moved)


def _path(roots: np.ndarray) -> np.ndarray:
    """The mean of a body's roots [T R C] over time, [T C]."""
    frames = np.arange(len(roots))
    seen = ~missing(roots).any((1, 2))
    if not seen.any():
        return np.zeros_like(roots[:, 0])
    mean = roots.mean(1)
    columns = [np.interp(frames, frames[seen], column[seen]) for column in mean.T]
    return np.stack(columns, axis=-1).astype(roots.dtype)


def normalise(
    skeleton: np.ndarray, *, origin: int, z: tuple[int, int], x: tuple[int, int]
) -> np.ndarray:
    """Preprocessing of the public AGCN and Fusion-GCN code, no scaling.

    In this order: frames without a body are removed if the first is one, and trailing
    ones filled with the clip from its start; the `origin` joint of the first body is
    subtracted from every joint that is not missing; the clip is turned so that in its
    first frame the bone `z` points along +z, then so that the bone `x` points along +x.
    A bone without length skips its rotation.

    Args:
      skeleton: [T M J 3] in metres, padded with zeros at the end.
      origin: joint, 2 (spine) for the Kinect v1.
      z: bone from joint to joint, (3, 2) for the Kinect v1.
      x: bone from joint to joint, (4, 8) for the Kinect v1.

    Returns:
      Float32 [T M J 3].

    References:
      Shi, Zhang, Cheng and Lu, *Two-Stream Adaptive Graph Convolutional Networks for
      Skeleton-Based Action Recognition*, CVPR 2019, arXiv:1805.07694.
      Duhme, Memmesheimer and Paulus, *Fusion-GCN: Multimodal Action Recognition using
      Graph Convolutional Networks*, GCPR 2021, arXiv:2109.12946.
    """
    clip = skeleton.astype(np.float64)
    clip = np.stack([fill_frames(clip[:, m]) for m in range(clip.shape[1])], axis=1)
    absent = missing(clip)
    clip = np.where(absent, 0, clip - clip[:, :1, origin : origin + 1])
    for (start, end), axis in ((z, (0.0, 0.0, 1.0)), (x, (1.0, 0.0, 0.0))):
        bone = clip[0, 0, end] - clip[0, 0, start]
        clip = clip @ rotation(bone, np.array(axis)).T
    return clip.astype(np.float32)


def fill_frames(body: np.ndarray) -> np.ndarray:
    """Repeat the clip of one body in the empty frames at its end.

    Args:
      body: [T J C]; a frame of zeros is empty.

    Returns:
      The same shape. If the first frame is empty, all empty frames move to the end
      before they are filled; a body that never appears stays zero.
    """
    seen = body.any((1, 2))
    if not seen.any():
        return body
    if not seen[0]:
        body = np.concatenate([body[seen], body[~seen]])
        seen = body.any((1, 2))
    length = np.flatnonzero(seen)[-1] + 1
    return body[np.arange(len(body)) % length]


def rotation(bone: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The smallest rotation that turns a bone onto an axis.

    Args:
      bone: vector [3].
      axis: unit vector [3].

    Returns:
      A matrix [3 3]; the identity if the bone has no length or lies on the axis, in
      either direction.
    """
    length = np.linalg.norm(bone)
    if length < 1e-6:
        return np.eye(3)
    a, b, c = normal = np.cross(bone / length, axis)
    if np.linalg.norm(normal) < 1e-6:
        return np.eye(3)
    cosine = bone @ axis / length
    turn = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    return np.eye(3) + turn + turn @ turn / (1 + cosine)

"""Pinhole cameras in the world of a performance."""

from typing import NamedTuple

import numpy as np


class Camera(NamedTuple):
    """A camera without distortion, whose picture is not mirrored.

    Attributes:
      position: `[3]` metres in the world.
      axes: `[3 3]`, rows: the directions right, down and forward in the world.
      focal: focal length in pixels.
      size: width and height of the picture in pixels.
    """

    position: np.ndarray
    axes: np.ndarray
    focal: float
    size: tuple[int, int]


def look_at(
    position: np.ndarray, target: np.ndarray, *, focal: float, size: tuple[int, int]
) -> Camera:
    """A camera held level that looks at a point.

    Args:
      position: `[3]` metres in the world.
      target: `[3]` metres, the point in the middle of the picture.
      focal: focal length in pixels.
      size: width and height in pixels.

    Returns:
      The camera.

    Raises:
      ValueError: if the target is straight above or below, where level means nothing.
    """
    position = np.asarray(position, float)
    forward = np.asarray(target, float) - position
    right = np.cross(forward, (0.0, 1.0, 0.0))
    if np.linalg.norm(right) <= 1e-9 * np.linalg.norm(forward):
        raise ValueError(f"the target {target} is straight above or below {position}")
    axes = np.stack([right, np.cross(forward, right), forward])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return Camera(position, axes, focal, size)


def project(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Project points of the world into the picture.

    .. math:: u = c + f \, (x / z, \; y / z)

    Args:
      camera: which looks.
      points: `[*B 3]` metres in the world.

    Returns:
      Pixels `[*B 2]` (to the right, down; the centre of the first pixel is 0, 0), NaN
      for points that are not in front of the camera, and the depth `[*B]` in metres.
    """
    seen = (points - camera.position) @ camera.axes.T
    depth = seen[..., 2]
    distance = np.where(depth > 0, depth, np.nan)[..., None]
    centre = (np.array(camera.size) - 1) / 2
    return centre + camera.focal * seen[..., :2] / distance, depth


def visible(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Whether points are inside the picture; nothing hides them from each other.

    Args:
      camera: which looks.
      points: `[*B 3]` metres in the world.

    Returns:
      `[*B]` booleans.
    """
    pixels, depth = project(camera, points)
    # NaN compares false: what is behind the camera is not in the picture.
    inside = (pixels >= -0.5) & (pixels < np.array(camera.size) - 0.5)
    return inside.all(axis=-1) & (depth > 0)

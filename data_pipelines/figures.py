"""Skeletons as a camera sees them: joints in pixels, and stick figures drawn of them."""

import dataclasses

import numpy as np

from data_pipelines.person.cameras import Camera, project
from data_pipelines.transforms.skeleton import missing

Bone = tuple[int, int]
KINECT_AXES = np.diag([1.0, -1.0, 1.0])
"""Right, down and forward in the Kinect's frame: x to the right, y up, z the depth."""
KINECT_V1_BONES: tuple[Bone, ...] = (
    *((0, 1), (1, 2), (2, 3)),
    *((1, 4), (4, 5), (5, 6), (6, 7)),
    *((1, 8), (8, 9), (9, 10), (10, 11)),
    *((3, 12), (12, 13), (13, 14), (14, 15)),
    *((3, 16), (16, 17), (17, 18), (18, 19)),
)
"""Head, trunk, arms and legs of the 20 joints of the topology "kinect_v1"."""


def joints(skeleton: np.ndarray, camera: Camera) -> np.ndarray:
    """Where a camera sees the joints of a skeleton.

    Args:
      skeleton: [T M J 3] in metres, a joint of zeros being missing.
      camera: in the skeleton's own frame.

    Returns:
      Float32 [T M J 3]: x and y in pixels and a score, 1 where the joint is known and in
      front of the camera; zeros elsewhere.
    """
    pixels, _ = project(camera, skeleton.astype(np.float64))
    seen = ~missing(skeleton) & np.isfinite(pixels).all(-1, keepdims=True)
    values = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    return np.where(seen, values, 0).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class StickFigure:
    """A video of thin bright limbs on black, drawn frame by frame when it is asked for.

    Attributes:
      joints: [T M J 3], x and y in pixels of `scale` times the picture, and score.
      bones: pairs of joints.
      size: height and width of the picture in pixels.
      scale: pixels of `joints` a pixel of the picture.
    """

    joints: np.ndarray
    bones: tuple[Bone, ...]
    size: tuple[int, int]
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W 1]."""
        shown = self.joints[indices]
        # Corner to corner, as pictures are resized: half a pixel is half a pixel.
        points = (shown[..., :2] + 0.5) / self.scale - 0.5
        ends = points[:, :, np.array(self.bones)].astype(np.float64)
        seen = (shown[..., 2] > 0)[:, :, np.array(self.bones)].all(-1)
        return _lines(ends, seen, self.size)[..., None]


def _lines(ends: np.ndarray, seen: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Lines between ends [N M E 2 2] as pictures uint8 [N H W].

    Dots along a line share their light among the four pixels around them; so do as many
    dots as make one full pixel of light for each pixel of the line's length.
    """
    start, way = ends[..., 0, :], ends[..., 1, :] - ends[..., 0, :]
    length = np.linalg.norm(way, axis=-1)
    # Two dots a pixel of the longest line; one that leaves the picture may be endless.
    longest = min(length[seen].max(initial=0), sum(size))
    dots = int(2 * longest) + 2
    along = ((np.arange(dots) + 0.5) / dots)[:, None]
    places = start[..., None, :] + along * way[..., None, :]
    light = np.where(seen, np.maximum(length, 1) / dots, 0)[..., None]
    corner = np.floor(places)
    share = places - corner
    height, width = size
    # A margin of one pixel takes what falls beside the picture.
    limits = (width, height)
    corner = np.clip(corner, -1, limits).astype(int) + 1
    flat = corner[..., 1] * (width + 3) + corner[..., 0]
    frame = np.arange(len(ends)).reshape(-1, 1, 1, 1) * (height + 3) * (width + 3)
    total = np.zeros(len(ends) * (height + 3) * (width + 3))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = np.abs(1 - dx - share[..., 0]) * np.abs(1 - dy - share[..., 1])
        where = (frame + flat + dy * (width + 3) + dx).ravel()
        total += np.bincount(where, (light * part).ravel(), len(total))
    pictures = total.reshape(len(ends), height + 3, width + 3)[:, 1:-2, 1:-2]
    return np.rint(255 * np.minimum(pictures, 1)).astype(np.uint8)

"""Where the cameras of the home hang, each with its microphone, and what they see."""

from typing import NamedTuple

import numpy as np

from data_pipelines.home import plan
from data_pipelines.person import body, cameras

OVERLAPS = {"all": ("living",), "half": ("living", "kitchen"), "few": tuple(plan.ROOMS)}
"""How many cameras see a place -> the rooms that people live in.

* "all": all cameras hang in one room, which nobody leaves; each sees everybody there.
* "half": they hang in the two large rooms in turn; each sees everybody in its room, so
  that about half of them see a person.
* "few": each looks with a narrow field of view at a part of one of the three rooms.
"""
MOST = 8
"""The greatest number of cameras."""
_HUNG = 2.2  # metres above the floor
_INSET = 0.15  # metres from the walls
_AIM = 0.9  # metres above the floor
_WIDE, _NARROW = 60.0, 48.0  # degrees of the field of view
_CONFIDENCE = (0.5, 0.45)  # of a detector, by the share of joints that it sees


class Spot(NamedTuple):
    """Where a camera hangs and where it looks, x and z in metres."""

    place: tuple[float, float]
    target: tuple[float, float]


# Of "few", in order: one camera in every room, then a second and a third one.
_PARTS = (
    Spot((1.2, 5.45), (1.2, 3.5)),
    Spot((6.0, 5.45), (6.0, 3.5)),
    Spot((0.15, 0.2), (2.6, 0.8)),
    Spot((2.6, 5.45), (2.6, 3.5)),
    Spot((4.6, 5.45), (4.6, 3.5)),
    Spot((6.85, 0.6), (4.4, 0.8)),
    Spot((0.15, 1.75), (1.4, 3.9)),
    Spot((6.85, 1.75), (5.6, 3.9)),
)


def install(overlap: str, count: int, *, size: int) -> tuple[cameras.Camera, ...]:
    """Hang the cameras.

    Args:
      overlap: "all", "half" or "few", see `OVERLAPS`.
      count: how many, 2..8.
      size: width and height of their pictures in pixels.

    Returns:
      The cameras, in the order of the views.
    """
    if overlap == "few":
        spots, angle = _PARTS[:count], _NARROW
    else:
        rooms = OVERLAPS[overlap]
        around = [_around(plan.ROOMS[name]) for name in rooms]
        spots = [around[i % len(rooms)][i // len(rooms)] for i in range(count)]
        angle = _WIDE
    focal = size / 2 / np.tan(np.deg2rad(angle) / 2)
    return tuple(
        cameras.look_at(
            (spot.place[0], _HUNG, spot.place[1]),
            (spot.target[0], _AIM, spot.target[1]),
            focal=focal,
            size=(size, size),
        )
        for spot in spots
    )


def _around(room: plan.Room) -> list[Spot]:
    """Places in the corners of a room, then in the middles of its walls."""
    (x0, z0), (x1, z1) = np.add(room.least, _INSET), np.subtract(room.most, _INSET)
    x, z = (x0 + x1) / 2, (z0 + z1) / 2
    corners = ((x0, z1), (x1, z0), (x1, z1), (x0, z0))
    middles = ((x, z1), (x, z0), (x0, z), (x1, z))
    return [Spot(place, (x, z)) for place in corners + middles]


def sees(camera: cameras.Camera, points: np.ndarray) -> np.ndarray:
    """Whether points are inside the picture and no wall hides them.

    Args:
      camera: which looks.
      points: `[*B 3]` metres in the world.

    Returns:
      `[*B]` booleans.
    """
    clear = plan.walls_between(camera.position, points) == 0
    return cameras.visible(camera, points) & clear


def detect(camera: cameras.Camera, joints: np.ndarray) -> np.ndarray:
    """What an ideal detector of people says of one person.

    A person is seen where the middle of the body and at least a third of the joints
    are.

    Args:
      camera: which looks.
      joints: `[T 25 3]` metres in the world.

    Returns:
      Confidence `[T]` in 0.5..1 that grows with the share of joints that are seen, and
      0 where nobody is.
    """
    seen = sees(camera, joints)
    share = seen.mean(axis=-1)
    there = seen[:, body.INDEX["spine_mid"]] & (share >= 1 / 3)
    base, slope = _CONFIDENCE
    return np.where(there, base + slope * share, 0.0).astype(np.float32)

"""The floor plan: two rooms side by side, and a corridor along both of them.

The world has x along the corridor and z across it, both in metres from the corner of
the home, and y up from the floor.
"""

from typing import NamedTuple

import numpy as np

HEIGHT = 2.5
"""Of the walls and the ceiling, in metres."""


class Room(NamedTuple):
    """A rectangle in which people do things.

    Attributes:
      least: least x and z in metres.
      most: greatest x and z in metres.
      spots: `[4 2]` places (x, z) where people stop.
      door: points of a way from the room's inside into the corridor; none in the
        corridor itself.
    """

    least: tuple[float, float]
    most: tuple[float, float]
    spots: tuple[tuple[float, float], ...]
    door: tuple[tuple[float, float], ...]


ROOMS = {
    "living": Room(
        (0.0, 1.6),
        (3.8, 5.6),
        ((1.2, 2.9), (2.6, 4.3), (2.6, 2.9), (1.2, 4.3)),
        ((3.1, 2.1), (3.1, 0.9)),
    ),
    "kitchen": Room(
        (3.8, 1.6),
        (7.0, 5.6),
        ((4.6, 2.8), (6.0, 4.3), (6.0, 2.8), (4.6, 4.3)),
        ((4.5, 2.1), (4.5, 0.9)),
    ),
    "corridor": Room(
        (0.0, 0.0), (7.0, 1.6), ((1.4, 0.8), (5.6, 0.8), (2.2, 0.8), (4.9, 0.8)), ()
    ),
}

WALLS = np.array(
    [
        *((0.0, 0.0, 7.0, 0.0), (0.0, 5.6, 7.0, 5.6)),
        *((0.0, 0.0, 0.0, 5.6), (7.0, 0.0, 7.0, 5.6), (3.8, 1.6, 3.8, 5.6)),
        # Between the corridor and the rooms, with a door to each.
        *((0.0, 1.6, 2.6, 1.6), (3.6, 1.6, 4.0, 1.6), (5.0, 1.6, 7.0, 1.6)),
    ]
)
"""`[8 4]`: x and z of both ends in metres; doors stand open."""

FURNITURE = np.array(
    [
        *((0.0, 3.0, 0.7, 4.6, 0.8), (3.0, 5.2, 3.8, 5.6, 1.6)),
        *((6.4, 2.6, 7.0, 4.4, 0.75), (3.8, 5.0, 4.3, 5.6, 1.8)),
        *((6.5, 0.0, 7.0, 0.5, 1.8), (0.0, 1.2, 0.9, 1.6, 0.9)),
    ]
)
"""`[6 5]`: boxes on the floor, least x and z, greatest x and z, height, in metres."""


def room_of(place: np.ndarray) -> str:
    """The room that a place is in.

    Args:
      place: `[3]` metres in the world, inside the home.

    Returns:
      A name in `ROOMS`.
    """
    x, _, z = place
    if z < ROOMS["corridor"].most[1]:
        return "corridor"
    return "living" if x < ROOMS["living"].most[0] else "kitchen"


def walls_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How many walls stand between points; furniture and people do not count.

    Args:
      one: `[*B 3]` metres in the world.
      other: `[*B 3]`.

    Returns:
      Counts `[*B]`.
    """
    start, end = np.broadcast_arrays(one[..., ::2], other[..., ::2])
    begin, finish = WALLS[:, :2], WALLS[:, 2:]
    # Two segments cross where the ends of each lie on both sides of the other.
    wall = _side(begin, finish, start[..., None, :])
    wall = wall * _side(begin, finish, end[..., None, :])
    line = _side(start[..., None, :], end[..., None, :], begin)
    line = line * _side(start[..., None, :], end[..., None, :], finish)
    return ((wall < 0) & (line < 0)).sum(axis=-1)


def _side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Positive on one side of the line from start to end, negative on the other."""
    way, off = end - start, point - start
    return way[..., 0] * off[..., 1] - way[..., 1] * off[..., 0]


def route(
    one: str, start: tuple[float, float], other: str, end: tuple[float, float]
) -> np.ndarray:
    """The way from a place to another, through doors.

    Args:
      one: room of the start.
      start: x and z in metres.
      other: room of the end.
      end: x and z in metres.

    Returns:
      Corners `[P 2]` of the way, both ends included.
    """
    if one == other:
        return np.array([start, end])
    return np.array([start, *ROOMS[one].door, *ROOMS[other].door[::-1], end])

"""The floor plan: what walls stand between, and ways that lead through doors."""

import itertools

import numpy as np
import pytest

from data_pipelines.home import plan


def at(x, z, y=1.0):
    return np.array([x, y, z])


@pytest.mark.parametrize(
    ("one", "other", "walls"),
    [
        (at(1, 3), at(2, 5), 0),
        (at(2, 4), at(6, 4), 1),
        (at(3.1, 3), at(3.1, 0.5), 0),  # through the door of the living room
        (at(1, 3), at(1, 0.5), 1),
        (at(1, 0.5), at(6, 0.5), 0),
        (at(1, 4), at(1, 9), 1),  # out of the home
        (at(2, 4, 0.1), at(6, 4, 2.4), 1),
    ],
)
def test_walls_stand_between_rooms_and_doors_are_open(one, other, walls):
    assert plan.walls_between(one, other) == walls
    assert plan.walls_between(other, one) == walls


def slowly(one, other):
    """Walls that a line comes near to, taking it in very small steps."""
    count = 0
    for x0, z0, x1, z1 in plan.WALLS:
        start, way = np.array([x0, z0]), np.array([x1 - x0, z1 - z0])
        length, side = np.linalg.norm(way), []
        for share in np.linspace(0, 1, 800):
            point = (one + share * (other - one))[::2] - start
            along = point @ way / length
            off = (point[0] * way[1] - point[1] * way[0]) / length
            side.append(np.sign(off) if 0 <= along <= length else 0)
        count += any(a * b < 0 for a, b in itertools.pairwise(side))
    return count


def test_walls_between_agrees_with_walking_along_the_line():
    rng = np.random.default_rng(0)
    ends = rng.uniform((-1, 0, -1), (8, 2.4, 6.6), (12, 2, 3))
    found = plan.walls_between(ends[:, 0], ends[:, 1])
    assert found.tolist() == [slowly(one, other) for one, other in ends]
    assert {0, 1, 2} <= set(found)


def test_a_camera_meets_many_points_at_once():
    points = np.stack([at(2, 4), at(6, 4), at(6, 0.5)])
    assert plan.walls_between(at(1, 3), points[None]).shape == (1, 3)


WAYS = [
    (one, start, other, end)
    for one, other in itertools.product(plan.ROOMS, repeat=2)
    for start in plan.ROOMS[one].spots
    for end in plan.ROOMS[other].spots
]


def test_ways_lead_through_doors_and_around_furniture():
    for way in WAYS:
        corners = plan.route(*way)
        np.testing.assert_array_equal(corners[[0, -1]], [way[1], way[3]])
        for start, end in itertools.pairwise(corners):
            assert plan.walls_between(at(*start), at(*end)) == 0, way
            line = start + np.linspace(0, 1, 50)[:, None] * (end - start)
            for x0, z0, x1, z1, _ in plan.FURNITURE:
                nearest = np.clip(line, (x0, z0), (x1, z1))
                assert np.linalg.norm(line - nearest, axis=1).min() > 0.25, way


def test_spots_are_in_their_rooms():
    for name, room in plan.ROOMS.items():
        for x, z in room.spots:
            assert plan.room_of(at(x, z)) == name

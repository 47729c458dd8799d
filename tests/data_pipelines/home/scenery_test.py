"""The empty home before a camera, compared with walking along its rays."""

import numpy as np
import pytest

from data_pipelines.home import cameras, plan, scenery
from data_pipelines.person.film import DEEPEST


def test_the_nearer_paint_is_the_larger_and_keeps_its_colour():
    depth = np.array([1.0, 1.001, 5.0, 11.9])
    colours = np.array([(255, 0, 0), (0, 255, 0), (1, 2, 3), (255, 255, 255)])
    painted = scenery.paint(depth, colours)
    assert (np.diff(painted) < 0).all() and (painted > 0).all()
    np.testing.assert_array_equal(scenery.colours(painted), colours)


def slow_depth(camera, column, row):
    """Metres along the camera's direction until a ray is somewhere it cannot be."""
    centre = (np.array(camera.size) - 1) / 2
    x, y = (np.array([column, row]) - centre) / camera.focal
    ray = x * camera.axes[0] + y * camera.axes[1] + camera.axes[2]
    for depth in np.arange(0.05, DEEPEST, 0.01):
        point = camera.position + depth * ray
        if not 0 <= point[1] <= plan.HEIGHT:
            return depth
        if plan.walls_between(camera.position, point):
            return depth
        for x0, z0, x1, z1, height in plan.FURNITURE:
            if x0 <= point[0] <= x1 and z0 <= point[2] <= z1 and point[1] <= height:
                return depth
    raise AssertionError("the ray leaves the home")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_depth_is_where_a_ray_ends(number):
    camera = cameras.install("few", 3, size=16)[number]
    nearness = scenery.behind(0, 1, camera) >> 24
    depth = DEEPEST * (1 - nearness / (1 << 16))
    for row in range(0, 16, 5):
        for column in range(0, 16, 5):
            expected = slow_depth(camera, column, row)
            assert depth[row, column] == pytest.approx(expected, abs=0.015)


def test_the_colours_are_those_of_the_seed_and_the_grain_the_cameras():
    camera = cameras.install("half", 1, size=24)[0]
    one, other, elsewhere = (
        scenery.colours(scenery.behind(*name, camera))
        for name in ((0, 1), (0, 2), (1, 1))
    )
    assert one.shape == (24, 24, 3)
    assert 2 < np.std(one - other) / np.sqrt(2) < 8
    assert np.abs(one - elsewhere).mean() > 2 * np.abs(one - other).mean()
    # Floor, walls and furniture differ.
    assert one.std(axis=(0, 1)).min() > 8

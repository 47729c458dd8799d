"""Joints in pixels and stick figures: where they are, what is missing, their light."""

import numpy as np

from data_pipelines import figures
from data_pipelines.person.cameras import Camera

CAMERA = Camera(np.zeros(3), figures.KINECT_AXES, 100.0, (81, 61))


def clip(*points):
    return np.array(points, np.float32)[None, None]


def drawn(points, bones, size=(9, 11), scale=1.0):
    """One frame of a figure as floats [H W], 1 being full light."""
    joints = np.concatenate([points, np.ones((len(points), 1))], axis=1)[None, None]
    figure = figures.StickFigure(joints.astype(np.float32), bones, size, scale)
    return figure[np.array([0])][0, ..., 0] / 255


def test_joints_land_where_similar_triangles_put_them():
    seen = figures.joints(clip((0, 0, 2), (0.5, 0, 2), (0, 0.4, 4)), CAMERA)
    assert seen.shape == (1, 1, 3, 3) and seen.dtype == np.float32
    # The middle of 81 by 61 pixels is (40, 30); x to the right, y up.
    np.testing.assert_allclose(seen[0, 0], [(40, 30, 1), (65, 30, 1), (40, 20, 1)])


def test_what_is_missing_or_behind_has_no_score():
    seen = figures.joints(clip((0, 0, 0), (1, 1, -2), (1, 1, 0)), CAMERA)
    np.testing.assert_array_equal(seen, 0)


def test_a_line_has_the_light_of_its_length_where_it_is():
    picture = drawn([(2, 4), (7, 4)], ((0, 1),))
    assert picture.shape == (9, 11)
    np.testing.assert_allclose(picture[4, 3:7], 1, atol=0.02)
    assert picture[4, [2, 7]].min() > 0.3
    assert not picture[[0, 1, 2, 3, 5, 6, 7, 8]].any()
    assert abs(picture.sum() - 5) < 0.1


def test_a_line_between_pixels_shares_its_light():
    picture = drawn([(2, 3.5), (7, 3.5)], ((0, 1),))
    np.testing.assert_allclose(picture[3:5, 3:7], 0.5, atol=0.02)


def test_a_smaller_picture_shows_the_same_place():
    # Corner to corner: pixel 9.5 of 20 is pixel 4.5 of 10.
    picture = drawn([(9.5, 1), (9.5, 18)], ((0, 1),), size=(10, 10), scale=2.0)
    np.testing.assert_allclose(picture[1:9, 4:6], 0.5, atol=0.02)


def test_a_bone_without_both_joints_is_not_drawn():
    joints = np.array([[[(2, 2, 1), (6, 2, 0), (6, 6, 1)]]], np.float32)
    figure = figures.StickFigure(joints, ((0, 1), (1, 2)), (9, 9))
    assert not figure[np.array([0])].any()
    both = figures.StickFigure(joints, ((0, 2),), (9, 9))
    assert both[np.array([0])].any()


def test_lines_beside_the_picture_leave_it_dark_and_far_ends_do_no_harm():
    assert not drawn([(-5, -5), (-5, 20)], ((0, 1),)).any()
    assert drawn([(-1e6, 4), (1e6, 4)], ((0, 1),)).shape == (9, 11)


def test_only_the_frames_that_are_asked_for_are_drawn():
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 9, (6, 2, 20, 3)).astype(np.float32)
    figure = figures.StickFigure(joints, figures.KINECT_V1_BONES, (9, 9))
    assert len(figure) == 6
    some = figure[np.array([4, 1, 4])]
    assert some.shape == (3, 9, 9, 1) and some.dtype == np.uint8
    every = figure[np.arange(6)]
    # More dots a line in company of longer ones: the light may round otherwise.
    np.testing.assert_allclose(some.astype(int), every[[4, 1, 4]], atol=2)


def test_the_bones_are_a_tree_of_all_joints():
    children = [child for _, child in figures.KINECT_V1_BONES]
    assert sorted(children) == list(range(1, 20))
    assert all(parent < child for parent, child in figures.KINECT_V1_BONES)

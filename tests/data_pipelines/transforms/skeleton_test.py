"""Origin and orientation of skeletons; the golden numbers are in golden_test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipelines.transforms import skeleton


def clip(frames=6, bodies=1, joints=20, seed=0):
    shape = (frames, bodies, joints, 3)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_the_root_becomes_the_origin_of_every_frame():
    values = clip()
    moved = skeleton.relative(values, (2,))
    assert not moved[:, 0, 2].any()
    np.testing.assert_allclose(
        moved[:, 0, 5] - moved[:, 0, 9], values[:, 0, 5] - values[:, 0, 9], atol=1e-6
    )


def test_several_roots_have_their_mean_as_origin():
    moved = skeleton.relative(clip(), (5, 6))
    np.testing.assert_allclose(moved[:, :, 5], -moved[:, :, 6], atol=1e-6)


def test_moving_the_camera_changes_nothing():
    values = clip(bodies=2)
    shift = np.array([1.0, -2.0, 3.0], np.float32)
    np.testing.assert_allclose(
        skeleton.relative(values + shift, (2,)),
        skeleton.relative(values, (2,)),
        atol=1e-5,
    )


def test_missing_joints_stay_zero_and_scores_stay():
    values = clip(joints=17)
    values[3, 0, 9] = 0
    moved = skeleton.relative(values, (5, 6), spatial=2)
    assert not moved[3, 0, 9].any()
    seen = ~skeleton.missing(values)[..., 0]
    np.testing.assert_array_equal(moved[..., 2][seen], values[..., 2][seen])


def test_a_missing_root_is_interpolated_in_time():
    values = np.zeros((4, 1, 2, 3), np.float32)
    values[:, 0, 1] = 10.0
    values[:, 0, 0, 0] = [1.0, 0.0, 3.0, 4.0]
    values[:, 0, 0, 1] = [5.0, 0.0, 5.0, 5.0]
    moved = skeleton.relative(values, (0,))
    # The root's x over time is 1, (2), 3, 4.
    np.testing.assert_allclose(moved[:, 0, 1, 0], [9, 8, 7, 6])
    assert not moved[1, 0, 0].any()


def test_a_body_without_any_root_stays_where_it_is():
    values = clip(frames=3, joints=4)
    values[:, :, 0] = 0
    np.testing.assert_array_equal(skeleton.relative(values, (0,)), values)


@given(seed=st.integers(0, 1000))
def test_a_rotation_turns_the_bone_and_keeps_lengths(seed):
    bone = np.random.default_rng(seed).standard_normal(3)
    axis = np.array([0.0, 0.0, 1.0])
    turn = skeleton.rotation(bone, axis)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ bone, np.linalg.norm(bone) * axis, atol=1e-9)


@pytest.mark.parametrize("bone", [(0, 0, 0), (0, 0, 2), (0, 0, -2)])
def test_a_bone_that_fixes_no_plane_is_not_turned(bone):
    turn = skeleton.rotation(np.array(bone, float), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(turn, np.eye(3))


def test_normalising_fixes_origin_and_bones_of_the_first_frame():
    turned = skeleton.normalise(clip(), origin=2, z=(3, 2), x=(4, 8))
    assert not turned[:, 0, 2].any()
    bone = turned[0, 0, 8] - turned[0, 0, 4]
    assert bone[0] > 0
    np.testing.assert_allclose(bone[1:], 0, atol=1e-6)


def test_trailing_frames_repeat_the_clip():
    body = clip(frames=3)[:, 0]
    padded = np.concatenate([body, np.zeros((5, 20, 3), np.float32)])
    filled = skeleton.fill_frames(padded)
    np.testing.assert_array_equal(filled, body[[0, 1, 2, 0, 1, 2, 0, 1]])


def test_a_gap_inside_the_clip_keeps_its_place():
    body = clip(frames=4)[:, 0]
    body[1] = 0
    np.testing.assert_array_equal(skeleton.fill_frames(body), body)


def test_leading_empty_frames_are_removed_with_every_other():
    body = clip(frames=5)[:, 0]
    body[[0, 3]] = 0
    filled = skeleton.fill_frames(body)
    np.testing.assert_array_equal(filled, body[[1, 2, 4, 1, 2]])


def test_a_body_that_never_appears_stays_absent():
    assert not skeleton.fill_frames(np.zeros((4, 20, 3))).any()

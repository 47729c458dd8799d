"""Index maps and interpolation onto a fixed number of steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipelines.transforms import resample


def test_positions_run_from_the_first_frame_to_the_last():
    # i (L - 1) / (N - 1) with L = 4, N = 7.
    np.testing.assert_allclose(
        resample.positions(4, 7), [0, 0.5, 1, 1.5, 2, 2.5, 3], atol=1e-12
    )


@given(frames=st.integers(1, 400), length=st.integers(2, 200))
def test_positions_stay_inside_and_increase(frames, length):
    where = resample.positions(frames, length)
    assert where[0] == 0
    assert where[-1] == frames - 1
    assert (np.diff(where) >= 0).all()


def test_as_many_steps_as_frames_change_nothing():
    values = np.random.default_rng(0).standard_normal((128, 3)).astype(np.float32)
    where = resample.positions(128, 128)
    np.testing.assert_allclose(resample.linear(values, where), values, atol=1e-6)


def test_a_straight_line_stays_one_at_any_rate():
    for frames in (2, 5, 326):
        values = np.linspace(-1, 1, frames)[:, None]
        got = resample.linear(values, resample.positions(frames, 128))
        np.testing.assert_allclose(got[:, 0], np.linspace(-1, 1, 128), atol=1e-6)
        assert got.dtype == np.float32


def test_two_rates_of_one_movement_agree_on_every_step():
    # The reason for one map: what happens at one fraction of the trial meets.
    slow, fast = (np.linspace(0, 1, frames)[:, None] for frames in (41, 107))
    one = resample.linear(slow, resample.positions(41, 128))
    two = resample.linear(fast, resample.positions(107, 128))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_one_frame_is_repeated():
    got = resample.linear(np.array([[3.0, 4.0]]), resample.positions(1, 5))
    np.testing.assert_array_equal(got, np.tile([3.0, 4.0], (5, 1)))


def test_time_stamps_decide_where_samples_lie():
    # Samples of x = t at irregular times; a constant rate would bend the line.
    times = np.array([0.0, 0.1, 0.2, 1.2, 1.3, 2.0])
    where = resample.positions(6, 21, times=times)
    got = resample.linear(times[:, None], where)
    np.testing.assert_allclose(got[:, 0], np.linspace(0, 2, 21), atol=1e-6)


def test_a_missing_joint_does_not_draw_its_neighbour():
    skeleton = np.ones((2, 1, 2, 3))
    skeleton[1, 0, 1] = 0
    got = resample.linear_joints(skeleton, np.array([0, 0.4, 0.6, 1.0]))
    np.testing.assert_array_equal(got[:, 0, 0], np.ones((4, 3)))
    np.testing.assert_array_equal(got[:, 0, 1, 0], [1, 1, 0, 0])


def test_joints_that_are_seen_are_interpolated():
    skeleton = np.stack([np.full((1, 2, 3), 1.0), np.full((1, 2, 3), 3.0)])
    got = resample.linear_joints(skeleton, np.array([0.25]))
    np.testing.assert_array_equal(got, np.full((1, 1, 2, 3), 1.5))


@pytest.mark.parametrize(
    ("frames", "length", "wanted"),
    # rint(i (L - 1) / (N - 1)); halves go to the even frame.
    [(5, 3, [0, 2, 4]), (4, 6, [0, 1, 1, 2, 2, 3]), (2, 3, [0, 0, 1]), (7, 1, [0])],
)
def test_nearest_takes_frames_as_they_are(frames, length, wanted):
    got = resample.nearest(np.arange(frames), length)
    np.testing.assert_array_equal(got, wanted)

"""Order, spikes and scale of inertial signals."""

import numpy as np

from data_pipelines.transforms import inertial


def test_samples_are_sorted_and_repeated_stamps_dropped():
    times = np.array([2.0, 1.0, 2.0, 3.0])
    values = np.array([[20.0], [10.0], [21.0], [30.0]])
    times, values, dropped = inertial.sort_by_time(times, values)
    assert dropped == 1
    np.testing.assert_array_equal(times, [1, 2, 3])
    np.testing.assert_array_equal(values, [[10], [20], [30]])


def test_spikes_are_dropped_with_their_stamps():
    values = np.array([[1.0, 0.0], [0.0, -26.5], [12.0, 1.0]])
    times, values, dropped = inertial.drop_spikes(np.arange(3.0), values, limit=12.0)
    assert dropped == 1
    np.testing.assert_array_equal(times, [0, 2])
    np.testing.assert_array_equal(values, [[1, 0], [12, 1]])


def test_min_max_scales_all_channels_together():
    got = inertial.min_max(np.array([[-1.0, 0.0], [1.0, 3.0]]))
    np.testing.assert_allclose(got, [[0, 0.25], [0.5, 1]])
    assert got.dtype == np.float32


def test_a_constant_sample_becomes_zero():
    np.testing.assert_array_equal(inertial.min_max(np.full((2, 3), 7.0)), 0)

"""A degraded video: its mean, its noise, and that a frame never changes."""

import numpy as np

from data_pipelines.coarse import Coarse


def video(value=200, count=30):
    return np.full((count, 12, 16, 1), value, np.uint8)


def test_pixels_are_averaged_dimmed_and_noisy():
    picture = video()
    picture[:, :, 8:] = 0
    seen = Coarse(picture, "a", factor=4, contrast=0.5, noise=5.0)
    got = seen[np.arange(30)].astype(float)
    assert len(seen) == 30 and got.shape == (30, 3, 4, 1)
    np.testing.assert_allclose(got[:, :, :2].mean(), 0.5 * 200 + 63.75, atol=1)
    np.testing.assert_allclose(got[:, :, 2:].mean(), 63.75, atol=1)
    np.testing.assert_allclose(got[:, :, :2].std(), 5.0, rtol=0.2)


def test_a_frame_looks_the_same_whenever_it_is_asked_for():
    one, two = Coarse(video(), "a"), Coarse(video(), "b")
    np.testing.assert_array_equal(one[np.array([7, 3])][1:], one[np.array([3])])
    assert (one[np.array([3])] != one[np.array([4])]).any()
    assert (one[np.array([3])] != two[np.array([3])]).any()


def test_what_does_not_fill_a_pixel_is_left_out():
    assert Coarse(video()[:, :11, :15], "a")[np.array([0])].shape == (1, 2, 3, 1)

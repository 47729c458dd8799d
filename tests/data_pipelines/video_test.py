"""Video files to stored frames and back; faults."""

import numpy as np
import pytest

from data_pipelines import video
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files


def moving(count=9, height=48, width=64, seed=0):
    """A bright square that moves over a smooth picture, uint8 [T H W 3]."""
    y, x = np.mgrid[:height, :width]
    clip = np.stack([x * 2, y * 3, np.full_like(x, 60)], axis=-1)
    clip = np.repeat(clip[None].astype(np.uint8), count, axis=0)
    for t in range(count):
        clip[t, 8:24, 4 * t : 4 * t + 16] = (200, 40, 30)
    return clip


def stored(path, **options):
    reading = video.read(path, "rgb", **options)
    arrays = reading.arrays
    return video.Jpegs(arrays["rgb"], arrays["rgb_ends"]), reading.notes


@pytest.mark.parametrize("name", ["x.avi", "x.mp4"])
def test_frames_come_back_in_order_and_colour(tmp_path, name):
    clip = moving()
    frames, notes = stored(raw_files.write_avi(tmp_path / name, clip))
    assert len(frames) == 9 and notes == ()
    got = frames[np.arange(9)]
    assert got.shape == clip.shape and got.dtype == np.uint8
    # JPEG at half the resolution of colours, twice over: edges of the square suffer.
    error = np.abs(got.astype(int) - clip)
    assert error.mean() < 6
    assert error[:, 30:].mean() < 4
    for t in range(9):
        inside = got[t, 11:21, 4 * t + 3 : 4 * t + 13].reshape(-1, 3).mean(0)
        np.testing.assert_allclose(inside, (200, 40, 30), atol=12)


def test_only_the_frames_that_are_asked_for_in_their_order(tmp_path):
    frames, _ = stored(raw_files.write_avi(tmp_path / "x.avi", moving()))
    every = frames[np.arange(9)]
    np.testing.assert_array_equal(frames[np.array([7, 2, 2, 0])], every[[7, 2, 2, 0]])


def test_the_short_side_is_fitted_and_never_enlarged(tmp_path):
    path = raw_files.write_avi(tmp_path / "x.avi", moving(height=48, width=86))
    assert stored(path, short_side=24)[0][np.array([0])].shape == (1, 24, 44, 3)
    assert stored(path)[0][np.array([0])].shape == (1, 48, 86, 3)
    upright = raw_files.write_avi(tmp_path / "y.avi", moving(height=96, width=48))
    assert stored(upright, short_side=24)[0][np.array([0])].shape == (1, 48, 24, 3)


def test_black_and_repeated_frames_are_counted(tmp_path):
    clip = moving()
    clip[5] = 0
    clip[7] = clip[8] = clip[6]
    _, notes = stored(raw_files.write_avi(tmp_path / "x.avi", clip, codec="mjpeg"))
    assert notes == ("1 black frames", "2 frames that repeat the one before")


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / "x.avi"
    with pytest.raises(DataError, match="x.avi: there is no such file"):
        video.read(path, "rgb")
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x.avi: the file is empty \(0 bytes\)"):
        video.read(path, "rgb")
    path.write_bytes(b"no video at all" * 9)
    with pytest.raises(DataError, match=r"x.avi: not a readable video.* \(135 bytes"):
        video.read(path, "rgb")
    whole = raw_files.write_avi(tmp_path / "whole.avi", moving()).read_bytes()
    path.write_bytes(whole[:400])
    with pytest.raises(DataError, match="x.avi: .*(not a readable|without frames)"):
        video.read(path, "rgb")


def test_a_file_of_sound_alone_is_named(tmp_path):
    path = tmp_path / "x.wav"
    raw_files.write_wav(path)
    with pytest.raises(DataError, match="x.wav: there is no video in it"):
        video.read(path, "rgb")


def test_a_damaged_stored_frame_is_named(tmp_path):
    frames, _ = stored(raw_files.write_avi(tmp_path / "x.avi", moving()))
    data = frames.data.copy()
    data[frames.ends[2] : frames.ends[3]] = 0
    damaged = video.Jpegs(data, frames.ends)
    assert damaged[np.array([2, 4])].shape[0] == 2
    with pytest.raises(DataError, match="stored frame 3 is damaged"):
        damaged[np.array([3])]


def test_an_infrared_video_has_one_channel_of_the_brightness_it_was_filmed_with(
    tmp_path,
):
    clip = np.repeat(moving()[..., :1], 3, axis=-1)
    reading = video.read(raw_files.write_avi(tmp_path / "x.avi", clip), "ir")
    got = video.frames("ir", reading.arrays)[np.arange(9)]
    assert got.shape == (*clip.shape[:3], 1)
    assert np.abs(got.astype(int) - clip[..., :1]).mean() < 3

"""Frames of a grid: which of them, their size, faults."""

import numpy as np
import pytest

from data_pipelines import grid, video
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files, scene_files


def stored(path, **options):
    reading = grid.read(path, "rgb1", **options)
    return video.frames("rgb1", reading.arrays), reading.notes


@pytest.mark.parametrize(
    ("fps", "frames", "stride"),
    # 20 by 2.5 is 8; 24 by 2.5 is 9.6; one frame a second is slower than the grid.
    [(10, 41, 4), (20, 33, 8), (24, 40, 10), (25, 30, 10), (1, 4, 1)],
)
def test_every_so_many_frames_from_the_first_on(tmp_path, fps, frames, stride):
    clip = raw_files.numbered(frames, size=scene_files.SIZE)
    path = scene_files.write_video(tmp_path / "x.mp4", clip, fps=fps, codec="libx264")
    got, notes = stored(path, side=64)
    wanted = [*range(0, frames, stride)]
    assert len(got) == len(wanted) and notes == ()
    shown = got[np.arange(len(got))]
    assert shown.shape == (len(wanted), 64, 64, 3) and shown.dtype == np.uint8
    assert raw_files.numbers_shown(shown).tolist() == wanted


def test_another_rate_takes_other_frames(tmp_path):
    path = scene_files.write_video(tmp_path / "x.mp4", scene_files.filmed(2.0, 0))
    got, _ = stored(path, side=32, rate=1.25)
    assert raw_files.numbers_shown(got[np.arange(3)]).tolist() == [0, 8, 16]


def test_pictures_become_squares_without_a_crop(tmp_path):
    clip = np.zeros((5, 60, 90, 3), np.uint8)
    clip[:, :, 45:] = 200
    path = scene_files.write_video(tmp_path / "x.mp4", clip)
    (frame,) = stored(path, side=40)[0][np.array([0])]
    assert frame.shape == (40, 40, 3)
    assert frame[:, :18].max() < 40 and frame[:, 22:].min() > 160
    assert stored(path)[0][np.array([0])].shape == (1, 224, 224, 3)


def test_black_and_repeated_frames_are_counted(tmp_path):
    clip = np.zeros((12, 48, 64, 3), np.uint8)
    path = scene_files.write_video(tmp_path / "x.mp4", clip)
    assert stored(path, side=32)[1] == (
        "3 black frames",
        "2 frames that repeat the one before",
    )


def test_the_nearest_frame_of_a_moment_is_the_even_one_of_two():
    assert [grid.row(s) for s in (0.0, 0.19, 0.2, 0.6, 1.0, 2.6)] == [0, 0, 0, 2, 2, 6]


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / "x.mp4"
    with pytest.raises(DataError, match="x.mp4: there is no such file"):
        stored(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x.mp4: the file is empty \(0 bytes\)"):
        stored(path)
    path.write_bytes(b"no video at all" * 9)
    with pytest.raises(DataError, match=r"x.mp4: not a readable video.* \(135 bytes"):
        stored(path)
    whole = scene_files.write_video(path, scene_files.filmed(2.0, 0)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="x.mp4: not a readable video or damaged"):
        stored(path)
    wav = scene_files.write_wav(tmp_path / "x.wav", scene_files.tones(0.2)[0])
    with pytest.raises(DataError, match="x.wav: there is no video in it"):
        stored(wav)

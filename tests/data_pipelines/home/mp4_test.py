"""Video files: frames and sound come back as they were written, but for the codec."""

import numpy as np
import pytest

from data_pipelines import grid, sound
from data_pipelines.errors import DataError
from data_pipelines.home import mp4


def moving(count=12, size=32):
    """A bright square on a smooth ground that moves a pixel a frame."""
    y, x = np.mgrid[:size, :size]
    ground = np.stack([60 + x, 90 + y, np.full_like(x, 120)], axis=-1)
    frames = np.repeat(ground[None], count, axis=0)
    for i, frame in enumerate(frames):
        frame[10:18, i : i + 8] = (220, 200, 210)
    return frames.astype(np.uint8)


def tone(seconds=1.2):
    times = np.arange(int(seconds * 16000)) / 16000
    return (0.4 * np.sin(2 * np.pi * 500 * times) * (times > 0.5)).astype(np.float32)


def test_frames_come_back(tmp_path):
    mp4.write(tmp_path / "a.mp4", moving(), tone(), rate=10.0)
    found = [
        frame.to_ndarray(format="rgb24") for frame in grid.frames(tmp_path / "a.mp4")
    ]
    assert len(found) == 3
    error = np.abs(np.stack(found).astype(int) - moving()[::4])
    assert error.mean() < 3


def test_sound_comes_back_at_its_time(tmp_path):
    mp4.write(tmp_path / "a.mp4", moving(), tone(), rate=10.0)
    wave = sound.from_steps(sound.read(tmp_path / "a.mp4", "audio").arrays["audio"])
    # AAC codes blocks of 1024 samples.
    assert abs(len(wave) - len(tone())) <= 1024
    best = np.correlate(wave[:19000], tone()[:19000], "full").argmax() - (19000 - 1)
    assert abs(best) <= 2
    cosine = wave[:19000] @ tone()[:19000]
    cosine /= np.linalg.norm(wave[:19000]) * np.linalg.norm(tone()[:19000])
    assert cosine > 0.98


def test_a_film_may_be_silent(tmp_path):
    mp4.write(tmp_path / "a.mp4", moving(), None, rate=7.5)
    reading = sound.read(tmp_path / "a.mp4", "audio")
    assert reading.notes == ("no sound track",)
    assert len(list(grid.frames(tmp_path / "a.mp4"))) == 4


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere/a.mp4: cannot be written"):
        mp4.write(tmp_path / "nowhere" / "a.mp4", moving(), tone(), rate=10.0)

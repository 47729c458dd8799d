"""Sound tracks: codecs, rates and channels, silence, chunks, faults."""

import numpy as np
import pytest

from data_pipelines import sound
from data_pipelines.errors import DataError
from tests.data_pipelines import scene_files


def track(path):
    reading = sound.read(path, "audio1")
    return sound.from_steps(reading.arrays["audio1"]), reading.notes


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("x.mp4", "aac", 16000),
        ("x.mp4", "aac", 44100),
        ("x.mp4", "libmp3lame", 48000),
        ("x.mov", "pcm_s16le", 48000),
    ],
)
def test_the_pitch_of_every_chunk_is_heard_at_its_time(tmp_path, name, codec, rate):
    tones = scene_files.tones(4.0, rate=rate)
    path = scene_files.write_video(
        tmp_path / name,
        scene_files.filmed(1.0, 1),
        sound=tones,
        rate=rate,
        sound_codec=codec,
    )
    wave, notes = track(path)
    assert wave.dtype == np.float32 and notes == ()
    # A codec fills its last block.
    assert abs(len(wave) - 4 * sound.RATE) < 1500
    chunks = sound.chunks(wave[: 4 * sound.RATE], 10)
    assert scene_files.chunks_heard(chunks).tolist() == [*range(10)]
    loud = np.sqrt((chunks[5] ** 2).mean())
    np.testing.assert_allclose(loud, 0.4 / np.sqrt(2), rtol=0.1)


def test_uncompressed_sound_of_the_stored_rate_is_kept_to_the_step(tmp_path):
    wanted = np.random.default_rng(0).uniform(-0.9, 0.9, 5000).astype(np.float32)
    path = scene_files.write_wav(tmp_path / "x.wav", wanted, rate=sound.RATE)
    wave, _ = track(path)
    assert len(wave) == 5000
    np.testing.assert_allclose(wave, wanted, atol=3 / sound.SCALE)


def test_channels_count_alike(tmp_path):
    left, right = scene_files.tones(1.0), scene_files.tones(1.0, loudness=0.1)
    path = scene_files.write_video(
        tmp_path / "x.mov",
        scene_files.filmed(0.4, 1),
        sound=np.concatenate([left, right]),
        sound_codec="pcm_s16le",
    )
    wave, _ = track(path)
    np.testing.assert_allclose(wave, (left[0] + right[0]) / 2, atol=1e-4)


def test_a_video_without_sound_has_none_and_says_so(tmp_path):
    clip = scene_files.filmed(0.4, 1)
    mute = scene_files.write_video(tmp_path / "mute.mp4", clip)
    assert [len(part) for part in track(mute)] == [0, 1]
    assert track(mute)[1] == ("no sound track",)
    silence = np.zeros((1, 16000), np.float32)
    silent = scene_files.write_video(tmp_path / "silent.mp4", clip, sound=silence)
    wave, notes = track(silent)
    assert len(wave) == 0 and notes == ("the sound track is silent",)


def test_steps_come_back_and_too_loud_sound_is_cut():
    steps = np.array([-32768, -1, 0, 1, 32767], np.int16)
    np.testing.assert_array_equal(sound.to_steps(sound.from_steps(steps)), steps)
    assert sound.to_steps(np.array([-3.0, 1.0])).tolist() == [-32768, 32767]


def test_chunks_are_equal_and_leave_out_the_rest():
    chunks = sound.chunks(np.arange(23), 5)
    assert chunks.tolist() == [[4 * i + j for j in range(4)] for i in range(5)]
    assert sound.chunks(np.arange(3), 5).shape == (5, 0)


def test_a_file_that_is_no_recording_is_named(tmp_path):
    path = tmp_path / "x.wav"
    with pytest.raises(DataError, match="x.wav: there is no such file"):
        track(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x.wav: the file is empty \(0 bytes\)"):
        track(path)
    path.write_bytes(b"no sound at all" * 9)
    with pytest.raises(DataError, match=r"x.wav: its sound is not readable.*135 bytes"):
        track(path)

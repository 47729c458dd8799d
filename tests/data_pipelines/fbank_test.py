"""Kaldi's filter banks: against a slow loop, and what every sound obeys."""

import math

import numpy as np
import pytest

from data_pipelines import fbank
from data_pipelines.errors import DataError
from tests import reference_audio as reference

RNG = np.random.default_rng(0)
SILENCE = math.log(2**-23)


def noise(*shape):
    return 0.1 * RNG.standard_normal(shape).astype(np.float32)


def plain(wave, rows, **options):
    """Log-mel values themselves."""
    return fbank.log_mel(wave, rows=rows, mean=0.0, deviation=0.5, **options)


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (1100, 5)])
def test_it_is_the_slow_loop(samples, frames):
    wave = noise(samples) + 0.3 * np.sin(0.4 * np.arange(samples)).astype(np.float32)
    want = reference.log_mel(wave, 40)
    assert len(want) == fbank.frame_count(samples) == frames
    np.testing.assert_allclose(plain(wave, frames, mel_bins=40), want, atol=1e-3)


def test_a_pure_tone_of_full_scale_keeps_its_quiet_bins():
    # Between the tone and its far side lobes lie ten orders of magnitude of energy.
    wave = np.sin(2 * np.pi * 1000 * np.arange(720) / 16000).astype(np.float32)
    got, want = plain(wave, 3, mel_bins=24), reference.log_mel(wave, 24)
    assert want.max() - want.min() > 15
    np.testing.assert_allclose(got, want, atol=1e-3)
    mel = fbank.mel(1000.0) - fbank.mel(20.0)
    width = (fbank.mel(8000.0) - fbank.mel(20.0)) / 25
    assert (got.argmax(axis=-1) == round(mel / width) - 1).all()


def test_filters_overlap_by_half_and_the_fourth_of_128_is_empty():
    table = fbank.filters(128)
    assert table.shape == (257, 128)
    assert np.flatnonzero(table.sum(axis=0) == 0).tolist() == [3]
    # From the first peak to the last one, neighbours add up to one.
    inner = slice(3, 250)
    np.testing.assert_allclose(table[inner].sum(axis=1), 1, atol=1e-5)
    assert not table[-1].any()


def test_rows_without_sound_are_zero_before_they_are_normalised():
    got = fbank.log_mel(noise(6400), rows=64)
    assert fbank.frame_count(6400) == 38
    # The value that AST's extractor gives: (0 + 4.2677393) / (2 * 4.5689974).
    assert (got[38:] == np.float32(0.46703237)).all()
    assert (got[:38] != got[38, 0]).all()
    np.testing.assert_array_equal(fbank.log_mel(noise(6400), rows=10).shape, (10, 128))


def test_a_short_spectrogram_is_the_beginning_of_a_long_one():
    wave = noise(6400)
    long, short = plain(wave, 64), plain(wave, 7)
    np.testing.assert_allclose(short, long[:7], atol=1e-5)


def test_chunks_know_nothing_of_each_other():
    wave = noise(4, 15, 6400)
    together = plain(wave, 38)
    assert together.shape == (4, 15, 38, 128)
    alone = np.stack([plain(chunk, 38) for chunk in wave.reshape(-1, 6400)])
    np.testing.assert_allclose(together.reshape(alone.shape), alone, atol=1e-4)
    assert len(alone) > fbank.BLOCK // 38, "several blocks"


def test_silence_has_the_least_value_and_so_has_a_constant():
    for level in (0.0, 0.5):
        got = plain(np.full(1000, level, np.float32), 4)
        np.testing.assert_allclose(got, SILENCE, rtol=1e-6)


def test_the_mean_of_a_sound_is_not_heard():
    wave = noise(2000)
    want = plain(wave, 9)
    np.testing.assert_allclose(plain(wave + 0.25, 9), want, atol=1e-2)
    got = plain(wave + 0.25, 9, subtract_mean=True)
    np.testing.assert_allclose(got, want, atol=1e-2)


@pytest.mark.parametrize("name", ["AUDIOSET", "ESC50", "SPEECH_COMMANDS"])
def test_statistics_are_subtracted_and_divided_by_twice(name):
    wave, statistics = noise(720), getattr(fbank, name)
    got = fbank.log_mel(wave, rows=3, **statistics)
    want = plain(wave, 3) - statistics["mean"]
    np.testing.assert_allclose(got, want / (2 * statistics["deviation"]), atol=1e-6)


def test_float64_is_heard_like_float32():
    wave = noise(800)
    got = plain(wave.astype(np.float64), 3)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, plain(wave, 3))


@pytest.mark.parametrize(
    ("wave", "options", "message"),
    [
        (np.zeros(399, np.float32), {}, "399 samples is shorter"),
        (np.zeros((2, 0), np.float32), {}, "0 samples is shorter"),
        (np.zeros(400, np.int16), {}, "samples are int16"),
        (np.zeros(400, np.float32), dict(rows=0), "0 rows"),
        (np.zeros(400, np.float32), dict(mel_bins=0), "0 bins"),
    ],
)
def test_what_is_no_sound_is_refused(wave, options, message):
    with pytest.raises(DataError, match=message):
        fbank.log_mel(wave, **{"rows": 4, **options})

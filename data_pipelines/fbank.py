"""Log-mel filter banks as Kaldi computes them and AST reads them.

`kaldi-native-fbank` refuses AST's 128 filters: the fourth, from 63 to 93 Hz, lies between
two frequencies of the transform and so is empty, which Kaldi takes for an error.
"""

import functools

import numpy as np
import scipy.fft

from data_pipelines.errors import DataError

RATE = 16000
"""Samples a second, of all that is read here."""
WINDOW, SHIFT, TRANSFORM = 400, 160, 512
"""Samples of a frame, between two frames, and of the Fourier transform."""
LOWEST = 20.0
"""Hertz where the first filter begins; the last one ends at half the rate."""
PREEMPHASIS = np.float32(0.97)
FLOOR = np.float32(np.finfo(np.float32).eps)
"""Energy of silence, before the logarithm."""
BLOCK = 512
"""Frames computed at once: what lies between two steps then stays in the cache."""

AUDIOSET = dict(mean=-4.2677393, deviation=4.5689974)
ESC50 = dict(mean=-6.6268077, deviation=5.358466)
SPEECH_COMMANDS = dict(mean=-6.845978, deviation=5.5654526)
"""Statistics of log-mel values, as published with the weights of AST."""


def frame_count(samples: int) -> int:
    """Frames that lie within a sound, 38 of them in the 6400 samples of 0.4 s.

    Args:
      samples: of the sound.

    Returns:
      How many; 0 where it is shorter than one.
    """
    return max(0, 1 + (samples - WINDOW) // SHIFT)


def mel(frequency: np.ndarray | float) -> np.ndarray:
    r"""Pitch of a frequency, :math:`1127 \ln(1 + f / 700)`.

    Args:
      frequency: in hertz.

    Returns:
      In mel.
    """
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)


@functools.lru_cache
def filters(bins: int) -> np.ndarray:
    """Triangles that are linear in pitch and overlap by half, without normalisation.

    Args:
      bins: how many.

    Returns:
      Float32 [257 bins], the weight of each frequency in each; read-only.
    """
    edges = np.linspace(mel(LOWEST), mel(RATE / 2), bins + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    pitch = mel(np.arange(TRANSFORM // 2 + 1) * RATE / TRANSFORM)[:, None]
    slopes = (pitch - low) / (centre - low), (high - pitch) / (high - centre)
    table = np.minimum(*slopes).clip(0.0)
    # Kaldi leaves out the last frequency, which rounding may put inside the last filter.
    table[-1] = 0.0
    table = table.astype(np.float32)
    table.flags.writeable = False
    return table


def _log_energies(wave: np.ndarray, bins: int) -> np.ndarray:
    """Log-mel values [n frames bins] of sounds [n samples], every frame alike."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW, axis=-1)[:, ::SHIFT]
    frames = frames - frames.mean(axis=-1, keepdims=True)
    # The first sample stands for the one before it.
    before = np.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
    frames = (frames - PREEMPHASIS * before) * np.hanning(WINDOW).astype(np.float32)
    spectrum = scipy.fft.rfft(frames, TRANSFORM, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.log(np.maximum(power @ filters(bins), FLOOR))


def log_mel(
    wave: np.ndarray,
    *,
    rows: int,
    mel_bins: int = 128,
    mean: float = AUDIOSET["mean"],
    deviation: float = AUDIOSET["deviation"],
    subtract_mean: bool = False,
) -> np.ndarray:
    r"""Spectrograms as AST's feature extractor gives them.

    .. math:: (\log \max(M\,|\mathcal{F} x|^2, \epsilon) - \mu) / (2 \sigma)

    Frames of 25 ms, one every 10 ms, lose their mean, are pre-emphasised by 0.97 and
    weighted by a Hann window. Rows that the sound does not fill are zero before they are
    normalised, not after, as they are in the published extractors.

    Args:
      wave: float [*n samples], sounds at 16 kHz in [-1, 1].
      rows: of the spectrogram; frames beyond are left out.
      mel_bins: filters between 20 Hz and 8 kHz.
      mean: :math:`\mu` of the log-mel values, by default AudioSet's.
      deviation: :math:`\sigma` of the same, of which two are the unit.
      subtract_mean: whether each sound first loses its mean, as in AST's own code. Every
        frame loses its own afterwards, so that it changes no more than rounding.

    Returns:
      Float32 [*n rows mel_bins].

    Raises:
      DataError: where a sound is shorter than one frame, its samples are integers, or
        no row or bin is asked for.

    References:
      Gong, Chung and Glass, *AST: Audio Spectrogram Transformer*, Interspeech 2021,
      arXiv:2104.01778.
      Povey et al., *The Kaldi Speech Recognition Toolkit*, ASRU 2011.
    """
    wave = np.asarray(wave)
    if wave.dtype.kind != "f":
        raise DataError(f"samples are {wave.dtype}, not floats in [-1, 1]")
    if rows < 1 or mel_bins < 1:
        raise DataError(f"a spectrogram of {rows} rows and {mel_bins} bins is empty")
    *lead, samples = wave.shape
    if samples < WINDOW:
        raise DataError(
            f"a sound of {samples} samples is shorter than a frame: {WINDOW}"
        )
    wave = wave.reshape(-1, samples).astype(np.float32)
    if subtract_mean:
        wave = wave - wave.mean(axis=-1, keepdims=True)
    count = min(rows, frame_count(samples))
    values = np.zeros((len(wave), rows, mel_bins), np.float32)
    step = max(1, BLOCK // count)
    for start in range(0, len(wave), step):
        block = wave[start : start + step, : WINDOW + SHIFT * (count - 1)]
        values[start : start + step, :count] = _log_energies(block, mel_bins)
    values = (values - np.float32(mean)) / np.float32(2 * deviation)
    return values.reshape(*lead, rows, mel_bins)

"""Kaldi's log-mel filter banks as a slow NumPy loop, in float64: the oracle."""

import math

import numpy as np

WINDOW, SHIFT, SIZE, RATE = 400, 160, 512, 16000


def _mel(frequency):
    return 1127.0 * math.log(1.0 + frequency / 700.0)


def _weight(pitch, low, centre, high):
    """Height of a triangle at a pitch."""
    if pitch <= low or pitch >= high:
        return 0.0
    if pitch <= centre:
        return (pitch - low) / (centre - low)
    return (high - pitch) / (high - centre)


def log_mel(wave, bins):
    """Log-mel values [frames bins] of one sound."""
    wave = np.asarray(wave, np.float64)
    low, high = _mel(20.0), _mel(RATE / 2)
    step = (high - low) / (bins + 1)
    time = np.arange(WINDOW)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / (WINDOW - 1))
    rows = []
    for start in range(0, len(wave) - WINDOW + 1, SHIFT):
        frame = wave[start : start + WINDOW] - wave[start : start + WINDOW].mean()
        sharp = [frame[max(t, 0)] - 0.97 * frame[max(t - 1, 0)] for t in range(WINDOW)]
        energies = np.zeros(bins)
        for k in range(SIZE // 2):
            wheel = np.exp(-2j * np.pi * k * time / SIZE)
            power = abs(np.sum(np.array(sharp) * window * wheel)) ** 2
            pitch = _mel(k * RATE / SIZE)
            for b in range(bins):
                edge = low + b * step
                energies[b] += power * _weight(
                    pitch, edge, edge + step, edge + 2 * step
                )
        rows.append(np.log(np.maximum(energies, 1.1920928955078125e-07)))
    return np.array(rows)

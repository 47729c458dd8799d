"""Inertial signals [T S] and their time stamps."""

import numpy as np


def sort_by_time(
    times: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Put samples into the order of their time stamps, one sample a stamp.

    Args:
      times: stamps [T].
      values: [T S].

    Returns:
      Increasing stamps, their samples (the first of each stamp), and how many samples
      were dropped.
    """
    unique, first = np.unique(times, return_index=True)
    return unique, values[first], len(times) - len(unique)


def drop_spikes(
    times: np.ndarray, values: np.ndarray, *, limit: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Drop samples outside the sensor's range; resampling interpolates over them.

    Args:
      times: stamps [T].
      values: [T S].
      limit: largest magnitude that a channel can have, in the unit of `values`.

    Returns:
      The stamps and samples that remain, and how many were dropped.
    """
    good = (np.abs(values) <= limit).all(1)
    return times[good], values[good], int((~good).sum())


def min_max(values: np.ndarray) -> np.ndarray:
    """Scale a whole sample, all channels and the padding together, to 0..1.

    Args:
      values: [T S].

    Returns:
      Float32 [T S]; zeros if the sample is constant.
    """
    low, high = values.min(), values.max()
    if high == low:
        return np.zeros_like(values, np.float32)
    return ((values - low) / (high - low)).astype(np.float32)

"""Samples that carry their own time stamps, put in order."""

import pathlib

import numpy as np

from data_pipelines import raw
from data_pipelines.errors import DataError
from data_pipelines.transforms import inertial


def reading(
    path: pathlib.Path,
    name: str,
    times: np.ndarray,
    values: np.ndarray,
    *,
    max_gap: float,
    limit: float = np.inf,
) -> raw.Reading:
    """Sort samples by time, drop repeated stamps and spikes, refuse long gaps.

    Rates are never assumed: what is kept has its own times, on which alignment
    interpolates.

    Args:
      path: that the samples were read from.
      name: of the stored field.
      times: stamps [T] in seconds.
      values: [T S].
      max_gap: longest pause between samples, in seconds.
      limit: largest magnitude of a value; beyond it a sample is a spike.

    Returns:
      `name` float32 [T S] and `name_time` float64 [T] from the first sample.

    Raises:
      DataError: if values are not finite, fewer than two samples remain, or a gap is
        too long.
    """
    raw.finite(path, values)
    raw.finite(path, times)
    notes = []
    if (np.diff(times) < 0).any():
        notes.append("time stamps were not in order, sorted")
    times, values, repeated = inertial.sort_by_time(times, values)
    if repeated:
        notes.append(f"{repeated} samples with a repeated time stamp dropped")
    times, values, spikes = inertial.drop_spikes(times, values, limit=limit)
    if spikes:
        notes.append(f"{spikes} samples beyond {limit:g} dropped")
    if len(times) < 2:
        raise DataError(f"{path}: only {len(times)} samples, nothing to resample")
    gap = float(np.diff(times).max())
    if gap > max_gap:
        raise DataError(f"{path}: a gap of {gap:.2f} s, {max_gap:g} s are allowed")
    fields = {
        name: np.ascontiguousarray(values, np.float32),
        f"{name}_time": times - times[0],
    }
    return raw.Reading(fields, tuple(notes))

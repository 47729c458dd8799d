"""Samples with time stamps: put in order, or refused."""

import pathlib

import numpy as np
import pytest

from data_pipelines import timed
from data_pipelines.errors import DataError

PATH = pathlib.Path("h01.txt")


def read(times, values, **options):
    values = np.array(values, float)[:, None].repeat(3, 1)
    return timed.reading(
        PATH, "h01", np.array(times, float), values, **({"max_gap": 2.0} | options)
    )


def test_sound_samples_are_kept_without_a_note():
    reading = read([5.0, 5.5, 6.0], [1, 2, 3])
    np.testing.assert_array_equal(reading.arrays["h01_time"], [0, 0.5, 1])
    np.testing.assert_array_equal(reading.arrays["h01"][:, 0], [1, 2, 3])
    assert reading.arrays["h01"].dtype == np.float32
    assert reading.notes == ()


def test_disorder_repetition_and_spikes_are_put_right_and_noted():
    reading = read([6.0, 5.0, 5.0, 5.5], [3, 1, 9, 100], limit=12.0)
    np.testing.assert_array_equal(reading.arrays["h01"][:, 0], [1, 3])
    np.testing.assert_array_equal(reading.arrays["h01_time"], [0, 1])
    assert reading.notes == (
        "time stamps were not in order, sorted",
        "1 samples with a repeated time stamp dropped",
        "1 samples beyond 12 dropped",
    )


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([0, 1, 4], [1, 2, 3], r"h01\.txt: a gap of 3\.00 s, 2 s are allowed"),
        ([0, 1], [1, np.nan], "NaN or infinite"),
        ([0, np.inf], [1, 2], "NaN or infinite"),
        ([0], [1], "only 1 samples"),
        ([3, 3, 3], [1, 2, 3], "only 1 samples"),
    ],
)
def test_what_cannot_be_resampled_is_refused(times, values, message):
    with pytest.raises(DataError, match=message):
        read(times, values)

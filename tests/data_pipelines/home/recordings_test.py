"""The source of examples: videos of another rate agree with the grid."""

import numpy as np
import pytest

from data_pipelines.home import cameras, recordings, script


def source(modalities=("rgb", "audio", "human")):
    household = script.Household(0, ("knock", "lamp"), "half", 2)
    installed = cameras.install("half", 2, size=24)
    return recordings.Recordings(household, (1, 4), 3, installed, modalities)


def test_recordings_are_numbered_subject_by_subject():
    rows = source().rows
    assert [row.key for row in rows] == [
        f"{subject}_0{number}_Part1" for subject in ("01", "04") for number in range(3)
    ]
    assert [row.subject for row in rows] == [1, 1, 1, 4, 4, 4]
    assert len(source()) == 6
    for index in (6, 7):
        with pytest.raises(IndexError):
            source()[index]


def test_a_video_of_more_frames_a_second_shows_the_same():
    grid, quick = source()[4], source().filmed(4, 10.0)
    for name in ("key", "label"):
        assert grid[name] == quick[name]
    for name in ("labels", "frame_labels"):
        np.testing.assert_array_equal(grid[name], quick[name])
    for mine, theirs in zip(grid["views"], quick["views"]):
        every = np.arange(len(mine["rgb"]))
        assert len(theirs["rgb"]) == 4 * len(every)
        np.testing.assert_array_equal(theirs["rgb"][4 * every], mine["rgb"][every])
        for name in ("audio", "human"):
            np.testing.assert_array_equal(theirs[name], mine[name])


def test_the_modalities_do_not_depend_on_each_other():
    whole, part = source()[0], source(("audio",))[0]
    for mine, theirs in zip(whole["views"], part["views"]):
        assert set(theirs) == {"key", "audio"}
        np.testing.assert_array_equal(mine["audio"], theirs["audio"])

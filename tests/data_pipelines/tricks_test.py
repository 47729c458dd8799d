"""Label files of clips, and labels of a grid."""

import json

import numpy as np
import pytest

from data_pipelines import tricks
from data_pipelines.errors import DataError
from tests import reference_scenes
from tests.data_pipelines.scene_files import clip_entry, write_labels

TRICKS = [("Eat", 1.0, 2.6), ("Drink", 0.5, 0.5)]


def test_a_label_file_is_read(tmp_path):
    entries = [clip_entry(1, 0, TRICKS), clip_entry(12, 7, TRICKS[:1], part=2)]
    listed = tricks.read(write_labels(tmp_path, "all_labels", entries))
    assert listed.faults == {}
    assert [*listed.clips] == ["01_00_Part1", "12_07_Part2"]
    clip = listed.clips["12_07_Part2"]
    assert (clip.session, clip.tricks) == (12, (("Eat", 1.0, 2.6),))
    assert clip.videos[5] == "12/07-View5-Part2.mp4" and [*clip.videos] == [
        *range(1, 6)
    ]
    assert tricks.classes(listed.clips.values()) == ("Drink", "Eat")


def test_only_the_first_label_of_a_trick_counts(tmp_path):
    entry = clip_entry(1, 0, TRICKS[:1])
    entry["tricks"][0]["labels"] = ["Eat", "Drink"]
    listed = tricks.read(write_labels(tmp_path, "x", [entry]))
    assert tricks.classes(listed.clips.values()) == ("Eat",)


def spoiled(**changes):
    return {**clip_entry(1, 0, TRICKS), **changes}


@pytest.mark.parametrize(
    ("entry", "key", "reason"),
    [
        (spoiled(tricks=[]), "01_00_Part1", "01_00_Part1: has no tricks"),
        (spoiled(tricks=[{"start": 1}]), "01_00_Part1", "has a trick without start"),
        (
            spoiled(tricks=[{"start": 3, "end": 1, "labels": ["Eat"]}]),
            "01_00_Part1",
            "has a trick from 3 to 1 s",
        ),
        (
            spoiled(tricks=[{"start": 0, "end": "nan", "labels": ["Eat"]}]),
            "01_00_Part1",
            "has a trick from 0 to nan s",
        ),
        (
            spoiled(tricks=[{"start": 0, "end": 1, "labels": [""]}]),
            "01_00_Part1",
            "whose label is ''",
        ),
        (
            spoiled(video_url_2="01/00-View3-Part1.mp4"),
            "x.json[1]",
            "clip 1: has 01/00-View3-Part1.mp4, of camera 3, as video_url_2",
        ),
        (
            spoiled(video_url_2="01/01-View2-Part1.mp4"),
            "x.json[1]",
            r"has videos of \['01_00_Part1', '01_01_Part1'\], not of one clip",
        ),
        (spoiled(video_url_1="../../etc/passwd"), "x.json[1]", "is not of the form"),
        (spoiled(video_url_1=3), "x.json[1]", "is not of the form"),
        ([1], "x.json[1]", "clip 1: is not an object"),
        ({"tricks": []}, "x.json[1]", "has videos of nothing, not of one clip"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named(tmp_path, entry, key, reason):
    good = clip_entry(2, 0, TRICKS)
    listed = tricks.read(write_labels(tmp_path, "x", [entry, good]))
    assert [*listed.clips] == ["02_00_Part1"] and [*listed.faults] == [key]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(listed.faults[key])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.json: the file is empty"),
        ("{", "x.json: not a JSON file"),
        ("{}", "x.json: not a list of clips"),
        ("[]", "x.json: not a list of clips"),
        (json.dumps([clip_entry(1, 0, TRICKS)] * 2), "01_00_Part1 is listed twice"),
    ],
)
def test_a_file_that_is_no_list_of_clips_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        tricks.read(path)


def test_labels_of_the_grid_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    for length, count in ((1, 1), (7, 3), (40, 6)):
        start = rng.uniform(-2, length / 2.5, 9)
        spans = [
            (int(rng.integers(count)), s, s + d)
            for s, d in zip(start, rng.choice([0.0, 0.2, 1.0, 9.0], 9))
        ]
        for rate in (2.5, 1.25):
            got = tricks.grid_labels(spans, length=length, count=count, rate=rate)
            want = reference_scenes.grid_labels(spans, length, count, rate)
            np.testing.assert_array_equal(got, want)


def test_both_ends_belong_to_an_action():
    got = tricks.grid_labels([(1, 1.0, 2.6)], length=10, count=2)
    # 1.0 s is 2.5 frames, 2.6 s is 6.5: both are rounded to the even one.
    assert (
        np.flatnonzero(got[:, 1]).tolist() == [2, 3, 4, 5, 6] and got[:, 0].sum() == 0
    )


def test_an_action_lies_within_its_clip_reaches_past_it_or_is_outside():
    def say(start, end):
        return tricks.inside(tricks.Trick("Eat", start, end), 10)

    assert say(0.0, 4.0) == say(3.6, 4.0) == ""
    assert say(3.0, 4.5) == (
        "Eat from 3 to 4.5 s reaches past the clip of 4 s and is cut"
    )
    assert "is cut" in say(-1.0, 1.0)
    for span in ((4.0, 5.0), (-2.0, -1.0)):
        with pytest.raises(DataError, match="Eat from .* is outside the clip of 4 s"):
            say(*span)


def test_the_classes_of_a_clip_are_marked():
    assert tricks.multi_hot((0, 2), 4).tolist() == [1, 0, 1, 0]
    assert tricks.multi_hot((), 2).tolist() == [0, 0]

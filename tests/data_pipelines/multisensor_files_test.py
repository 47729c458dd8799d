"""The raw folder of MultiSensor-Home: label files, videos, faults."""

import pytest

from data_pipelines import multisensor_files as files
from data_pipelines.errors import DataError
from tests.data_pipelines import scene_files
from tests.data_pipelines.scene_files import clip_entry, write_labels

EAT, DRINK = ("Eat", 0.4, 1.2), ("Drink", 1.0, 1.6)


def touched(folder, entries):
    """Videos of no content."""
    for entry in entries:
        for number, path in entry.items():
            if number.startswith("video_url_"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(b"x")
    return folder


@pytest.fixture
def entries():
    return [clip_entry(1, n, [EAT, DRINK], views=2) for n in range(3)]


@pytest.fixture
def raw_dir(tmp_path, entries):
    write_labels(tmp_path, "all_labels", entries)
    return touched(tmp_path, entries)


def test_clips_are_listed_with_their_cameras(raw_dir):
    found = files.find(raw_dir)
    keys = [recording.key for recording in found.recordings]
    assert keys == ["01_00_Part1", "01_01_Part1", "01_02_Part1"]
    assert found.counts == {"view1": 3, "view2": 3}
    assert (found.faults, found.missing) == ({}, [])
    first = found.recordings[0]
    assert first.subject == 1 and [*first.paths] == ["view1", "view2"]
    assert first.paths["view2"] == raw_dir / "01/00-View2-Part1.mp4"
    assert first.details["classes"] == ["Drink", "Eat"]
    assert (first.details["side"], first.details["sizes"]) == ("", [])


def test_split_files_say_which_clips_there_are(raw_dir, entries):
    write_labels(raw_dir, "train", entries[:1])
    write_labels(raw_dir, "test", entries[2:])
    found = files.find(raw_dir)
    sides = {r.key: r.details["side"] for r in found.recordings}
    assert sides == {"01_00_Part1": "train", "01_02_Part1": "test"}
    assert found.recordings[0].details["sizes"] == [1, 1]
    assert found.faults == {
        "01_01_Part1": "01_01_Part1: in all_labels.json, but neither in train.json nor in "
        "test.json"
    }


def test_a_label_may_occur_on_one_side_only_if_it_is_in_all_labels(raw_dir, entries):
    strange = clip_entry(1, 2, [("Sing", 0.4, 1.0)], views=2)
    write_labels(raw_dir, "train", entries[:2])
    write_labels(raw_dir, "test", [strange])
    found = files.find(raw_dir)
    assert found.faults["01_02_Part1"] == (
        "01_02_Part1: the label 'Sing' is not in all_labels.json"
    )
    write_labels(raw_dir, "all_labels", [*entries[:2], strange])
    found = files.find(raw_dir)
    assert found.recordings[2].details["classes"] == ["Drink", "Eat", "Sing"]
    (raw_dir / "all_labels.json").unlink()
    assert len(files.find(raw_dir).recordings) == 3


def test_a_missing_camera_is_a_fault_and_the_others_are_kept(raw_dir):
    (raw_dir / "01/00-View2-Part1.mp4").unlink()
    for view in (1, 2):
        (raw_dir / f"01/01-View{view}-Part1.mp4").unlink()
    found = files.find(raw_dir)
    assert [*found.recordings[0].paths] == ["view1"]
    assert found.faults["01_00_Part1"].endswith(
        "View2-Part1.mp4: there is no such file"
    )
    assert len(found.recordings) == 2 and found.missing == ["01_01_Part1"]


def test_a_camera_that_its_labels_do_not_name_is_a_fault(raw_dir, entries):
    del entries[1]["video_url_2"]
    write_labels(raw_dir, "all_labels", entries)
    found = files.find(raw_dir)
    assert found.faults["01_01_Part1"].startswith(
        "01_01_Part1: its labels name no video_url_2"
    )


def test_a_clip_without_tricks_and_a_video_without_labels_are_faults(raw_dir, entries):
    entries[0]["tricks"] = []
    write_labels(raw_dir, "all_labels", entries)
    touched(raw_dir, [clip_entry(4, 7, [EAT], views=2)])
    (raw_dir / "01" / "notes.mp4").write_bytes(b"x")
    found = files.find(raw_dir)
    assert len(found.recordings) == 2
    assert found.faults == {
        "01_00_Part1": f"{raw_dir}/all_labels.json: 01_00_Part1: has no tricks",
        "04_07_Part1": f"{raw_dir}/04/07-View1-Part1.mp4: no label file lists it",
        f"{raw_dir}/01/notes.mp4": f"{raw_dir}/01/notes.mp4: no label file lists it",
    }


def test_label_files_that_do_not_fit_together_are_refused(raw_dir, entries):
    write_labels(raw_dir, "train", entries[:2])
    with pytest.raises(DataError, match="train.json is there without the other"):
        files.labels(raw_dir)
    write_labels(raw_dir, "test", entries[1:])
    with pytest.raises(
        DataError, match="01_01_Part1 is in train.json and in test.json"
    ):
        files.labels(raw_dir)
    for name in ("train", "test", "all_labels"):
        (raw_dir / f"{name}.json").unlink()
    with pytest.raises(DataError, match="neither all_labels.json nor train.json and"):
        files.labels(raw_dir)
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        files.labels(raw_dir / "nowhere")


def test_a_camera_of_a_number_that_none_has_is_refused(tmp_path):
    write_labels(tmp_path, "all_labels", [clip_entry(1, 0, [EAT], views=9)])
    with pytest.raises(DataError, match="a camera 9, numbers go from 1 to 8"):
        files.labels(tmp_path)


def parts(raw_dir, *lengths):
    recording = files.find(raw_dir).recordings[0]
    fields = {
        f"view{n}": {f"rgb{n}_ends": range(count)} for n, count in enumerate(lengths, 1)
    }
    return files.parts(recording, fields)


def test_a_clip_is_as_long_as_its_shortest_camera(raw_dir):
    made = parts(raw_dir, 6, 5)
    ((recording, _),) = made.records
    assert recording.label == (0, 1) and (made.faults, made.notes) == ((), ())
    assert recording.details["frames"] == {"1": 6, "2": 5}
    assert recording.details["instances"] == [[1, 0.4, 1.2], [0, 1.0, 1.6]]
    assert "tricks" not in recording.details


def test_cameras_that_differ_are_noted_and_left_out_beyond_the_tolerance(raw_dir):
    # Frames of 0.4 s: 2 differ by 0.8 s, 3 by 1.2 s, 25 by 10 s.
    assert parts(raw_dir, 7, 5).notes == ()
    assert parts(raw_dir, 8, 5).notes == (
        "01_00_Part1: its cameras filmed for 3.2, 2 s",
    )
    assert len(parts(raw_dir, 30, 5).records) == 1
    far = parts(raw_dir, 31, 5)
    assert far.records == [] and far.faults == (
        "01_00_Part1: its cameras filmed for 12.4, 2 s, which differ by more than 10",
    )


def test_actions_outside_a_clip_are_left_out_and_those_past_its_end_noted(raw_dir):
    made = parts(raw_dir, 3, 3)
    ((recording, _),) = made.records
    assert recording.label == (0, 1)
    assert made.notes == (
        "01_00_Part1: Drink from 1 to 1.6 s reaches past the clip of 1.2 s and is cut",
    )
    made = parts(raw_dir, 2, 2)
    assert made.records[0][0].label == (1,) and made.faults == (
        "01_00_Part1: Drink from 1 to 1.6 s is outside the clip of 0.8 s",
    )
    made = parts(raw_dir, 1, 1)
    assert made.records == [] and made.faults[-1] == (
        "01_00_Part1: no action lies within it"
    )


def test_the_writer_of_these_tests_makes_what_is_read(tmp_path):
    entries = [clip_entry(1, 0, [EAT], views=1)]
    folder = scene_files.home(tmp_path, entries, seconds=0.4, sound=False)
    assert len(files.find(folder).recordings) == 1

"""The raw folder of MM-Office: names, labels of both kinds, lists, faults."""

import pathlib

import pytest

from data_pipelines import office_files as files
from data_pipelines.errors import DataError
from tests.data_pipelines.scene_files import office_name, write_table

CLASSES = ",".join(f"class{n}" for n in range(1, 13))
TABLE = "index,eventclass,starttime,endtime"


def touched(folder, side, recording, division, *, cameras=range(4), sounds=range(8)):
    """Files of a clip, of no content."""
    for kind, ending, sensors in (("video", "mp4", cameras), ("audio", "wav", sounds)):
        (folder / kind / side).mkdir(parents=True, exist_ok=True)
        for sensor in sensors:
            name = f"{office_name(recording, sensor, division)}.{ending}"
            (folder / kind / side / name).write_bytes(b"x")


@pytest.fixture
def raw_dir(tmp_path):
    """Recording 10 in halves and recording 8 whole, as the public loader names them."""
    touched(tmp_path, "train", 10, 0)
    touched(tmp_path, "train", 10, 1)
    touched(tmp_path, "test", 8, None)
    weak = tmp_path / "label" / "trainlabel"
    write_table(
        weak / "recinfo.csv", "recid,sceneid,patternid", [(10, 5, 1), (11, 5, 2)]
    )
    # Of the public list of events: recid010_0 chats, enters and sits down.
    first = [int(n in (3, 8, 11)) for n in range(1, 13)]
    second = [int(n in (3, 11)) for n in range(1, 13)]
    rows = [(5, 1, 0, *first), (5, 1, 1, *second)]
    write_table(weak / "eventinfo.csv", f"sceneid,patternid,division,{CLASSES}", rows)
    # The example of the data set's own page.
    strong = tmp_path / "label" / "testlabel" / "recid008.csv"
    write_table(strong, TABLE, [(0, 8, 6, 14), (1, 11, 20, 35)])
    return tmp_path


def names(label):
    return [files.CLASSES[k] for k in label]


def test_clips_are_listed_with_their_labels(raw_dir):
    found = files.find(raw_dir)
    assert (found.faults, found.missing) == ({}, [])
    test, first, second = found.recordings
    assert [r.key for r in found.recordings] == ["recid008", "recid010_0", "recid010_1"]
    assert names(first.label) == ["chat", "enter", "sit down"]
    assert names(second.label) == ["chat", "sit down"]
    assert first.details == {"side": "train", "list": "", "instances": None}
    # MultiASL lists the same two events as "enter" and "sit down".
    assert names(test.label) == ["enter", "sit down"]
    assert test.details["instances"] == [[7, 6, 14], [10, 20, 35]]
    assert (test.details["side"], test.subject, first.subject) == ("test", 8, 10)
    assert [*first.paths] == [f"cam{n}" for n in range(4)] + [
        f"mic{n}" for n in range(8)
    ]
    assert found.counts["cam3"] == found.counts["mic7"] == 3


def test_the_lists_of_multiasl_are_read(raw_dir):
    (raw_dir / "split_train.txt").write_text("recid010_0\n\nrecid019_1\n")
    (raw_dir / "split_test.txt").write_text("recid010_1\n")
    found = files.find(raw_dir)
    lists = {r.key: r.details["list"] for r in found.recordings}
    assert lists == {"recid008": "", "recid010_0": "train", "recid010_1": "test"}
    assert found.missing == ["recid019_1"]
    (raw_dir / "split_test.txt").write_text("recid010_0\n")
    with pytest.raises(DataError, match="recid010_0 is in split_train.txt too"):
        files.find(raw_dir)
    (raw_dir / "split_test.txt").write_text("clip 3\n")
    with pytest.raises(DataError, match="split_test.txt: 'clip 3' is not the name"):
        files.find(raw_dir)


@pytest.mark.parametrize(
    ("name", "key", "text"),
    [
        ("recid010_0", (10, "0"), "recid010_0"),
        ("recid008", (8, ""), "recid008"),
        ("recid008_front", (8, "0"), "recid008_0"),
        ("recid008_back", (8, "1"), "recid008_1"),
    ],
)
def test_clips_have_one_name(name, key, text):
    assert files.key_of(name) == key and str(files.key_of(name)) == text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("split0_id04_s05_recid010_0.mp4", "there is no such sensor"),
        ("split0_id08_s05_recid010_0.wav", "there is no such sensor"),
        ("split0_id00_s05_recid010_0.txt", "there is no such sensor"),
        ("notes.wav", "not the name of a file of MM-Office"),
        ("split0_id00_s05_recid010_2.wav", "not the name of a file of MM-Office"),
    ],
)
def test_files_of_other_names_are_faults(raw_dir, name, reason):
    path = raw_dir / "audio" / "train" / name
    path.write_bytes(b"x")
    faults = files.find(raw_dir).faults
    assert [*faults] == [str(path)]
    assert faults[str(path)].startswith(f"{path}: {name}: {reason}")
    with pytest.raises(DataError, match=reason):
        files.modality(pathlib.Path(name))


def test_a_missing_sensor_is_a_fault_and_the_others_are_kept(raw_dir):
    (raw_dir / "audio/train/split0_id03_s05_recid010_0.wav").unlink()
    (raw_dir / "video/train/split0_id01_s05_recid010_0.mp4").unlink()
    found = files.find(raw_dir)
    assert found.faults == {"recid010_0": "recid010_0: no cam1, no mic3 file"}
    assert len(found.recordings[1].paths) == 10


def test_a_clip_without_a_camera_or_without_labels_is_left_out(raw_dir):
    touched(raw_dir, "train", 11, 0, cameras=())
    touched(raw_dir, "train", 11, 1)
    touched(raw_dir, "test", 18, None)
    found = files.find(raw_dir)
    assert len(found.recordings) == 3
    assert found.faults["recid011_0"] == "recid011_0: no camera has a file of it"
    assert found.faults["recid011_1"].startswith(
        "recid011_1: recinfo.csv and eventinfo"
    )
    assert "not one label file of it, but none of the" in found.faults["recid018"]


def test_a_clip_in_which_nothing_happens_is_left_out(raw_dir):
    path = raw_dir / "label" / "trainlabel" / "eventinfo.csv"
    rows = [(5, 1, d, *[0] * 12) for d in (0, 1)]
    write_table(path, f"sceneid,patternid,division,{CLASSES}", rows)
    reasons = files.find(raw_dir).faults
    assert (
        reasons["recid010_1"] == "recid010_1: nothing happens in it, by eventinfo.csv"
    )


def test_labels_of_halves_are_not_those_of_a_whole_recording(raw_dir):
    folder = raw_dir / "label" / "testlabel"
    (folder / "recid008.csv").rename(folder / "recid008_front.csv")
    reason = files.find(raw_dir).faults["recid008"]
    assert "but recid008_front.csv of the recording" in reason
    for path in (raw_dir / "video" / "test").iterdir():
        path.rename(path.with_stem(f"{path.stem}_0"))
    for path in (raw_dir / "audio" / "test").iterdir():
        path.rename(path.with_stem(f"{path.stem}_0"))
    found = files.find(raw_dir)
    assert found.faults == {} and found.recordings[0].key == "recid008_0"


def test_a_clip_on_both_sides_is_a_fault(raw_dir):
    path = raw_dir / "video" / "test" / "split0_id00_s05_recid010_0.mp4"
    path.write_bytes(b"x")
    assert (
        files.find(raw_dir).faults[str(path)] == f"{path}: recid010_0 is in train too"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 13, 1, 2), "there is no class 13"),
        ((0, 3, 5, 2), "an event from 5 to 2"),
        ((0, 3, "x", 2), "not numbers throughout"),
        ((0, -1, 1, 2), "no event in it"),
    ],
)
def test_strong_labels_that_cannot_be_used_are_named(raw_dir, row, message):
    path = raw_dir / "label" / "testlabel" / "recid008.csv"
    write_table(path, TABLE, [row])
    reason = files.find(raw_dir).faults["recid008"]
    assert f"{path}: " in reason and message in reason


def test_background_is_no_event(raw_dir):
    path = raw_dir / "label" / "testlabel" / "recid008.csv"
    write_table(path, TABLE, [(0, -1, 0, 60), (1, 0, 0, 9), (2, 1, 3, 4)])
    assert files.find(raw_dir).recordings[0].details["instances"] == [[0, 3, 4]]


def test_a_table_without_a_column_and_a_folder_that_is_missing_are_named(raw_dir):
    path = raw_dir / "label" / "trainlabel" / "recinfo.csv"
    write_table(path, "recid,sceneid", [(10, 5)])
    with pytest.raises(DataError, match="recinfo.csv: there is no column 'patternid'"):
        files.find(raw_dir)
    (raw_dir / "audio" / "test").rename(raw_dir / "elsewhere")
    with pytest.raises(DataError, match="audio/test: there is no such folder"):
        files.find(raw_dir)


def test_a_clip_is_as_long_as_its_cameras(raw_dir):
    test = files.find(raw_dir).recordings[0]
    fields = {f"cam{n}": {f"rgb{n}_ends": range(60 + n)} for n in (0, 2)}
    made = files.parts(test, {**fields, "mic1": {}})
    ((recording, _),) = made.records
    assert recording.details["frames"] == {"0": 60, "2": 62}
    (note,) = made.notes
    assert note == (
        "recid008: sit down from 20 to 35 s reaches past the clip of 24 s and is cut, "
        "if times are seconds"
    )
    alone = files.parts(test, {"mic1": {}})
    assert alone.records == [] and alone.faults == (
        "recid008: no camera of it can be read",
    )

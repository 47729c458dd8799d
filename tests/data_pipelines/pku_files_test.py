"""PKU-MMD: names, split files and label files, good and bad."""

import pytest

from data_pipelines import pku_files, pku_names
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files


def labels(tmp_path, *lines, frames=200):
    path = tmp_path / "0002-M.txt"
    path.write_text("\n".join(lines) + "\n")
    read = pku_files.read_labels(path, frames)
    for sentence in (*read.faults, *read.notes):
        assert sentence.startswith(f"{path}: line ")
    return read


def split(tmp_path, content):
    path = tmp_path / "cross-view.txt"
    path.write_text(content)
    return path


def test_there_are_51_classes_in_the_order_of_their_labels():
    assert len(set(pku_names.CLASSES)) == len(pku_names.CLASSES) == 51
    # The list of actions that comes with the data set.
    for label, name in ((1, "bow"), (16, "hugging_other_person"), (51, "writing")):
        assert pku_names.CLASSES[label - 1] == name
    assert all(name.isidentifier() for name in pku_names.CLASSES)


def test_names_say_number_and_camera():
    assert pku_names.parse("0291-R") == (291, "R")
    assert pku_names.place("0002-M_i05") == ("0002-M_i05", 1)
    numbers = [pku_names.video_number(f"{n:04}-{c}") for n in (2, 3) for c in "LMR"]
    assert numbers == [*range(6, 12)]
    for name in ("2-M", "0002-X", "A01N01-L", "0002-M.avi"):
        with pytest.raises(DataError, match=f"{name}: not the name of a video"):
            pku_names.parse(name)


def test_the_key_of_a_window_says_video_start_and_end():
    key = pku_names.window_key("0002-M", 64, 128)
    assert key == "0002-M_w000064_000128"
    assert pku_names.parse_window(key) == ("0002-M", 64, 128)
    for key in ("0002-M_i05", "0002-M_w000128_000128", "0002-Q_w000000_000064"):
        with pytest.raises(DataError, match=f"{key}: not the key of a window"):
            pku_names.parse_window(key)


def test_cameras_m_and_r_train_and_the_last_videos_test_other_subjects():
    shown = {
        name: (pku_names.by_rule(name, "cview"), pku_names.by_rule(name, "csub"))
        for name in ("0002-L", "0290-M", "0291-L", "0334-R", "0335-M")
    }
    assert shown == {
        "0002-L": ("test", "train"),
        "0290-M": ("train", "train"),
        "0291-L": ("test", "test"),
        "0334-R": ("train", "test"),
        "0335-M": ("train", "train"),
    }
    # The published number of test videos: 44 of three cameras.
    assert len(pku_names.TEST_VIDEOS) * 3 == pku_names.SIZES["csub"][1]


def test_labels_are_read_as_they_stand(tmp_path):
    read = labels(tmp_path, "4, 10 ,40,2", "", "51,40,131,1.0")
    assert read == ([[4, 10, 40], [51, 40, 131]], (), ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,100", "is not label,start,end,confidence: '1,100'"),
        ("1,100,120,2,9", "is not label,start,end,confidence: '1,100,120,2,9'"),
        ("bow,100,120,2", "is not label,start,end,confidence: 'bow,100,120,2'"),
        ("1,100,120,", "is not label,start,end,confidence: '1,100,120,'"),
        ("0,100,120,2", "has the label 0, not one of 1 to 51"),
        ("52,100,120,2", "has the label 52, not one of 1 to 51"),
        ("1,120,120,2", "starts at frame 120 and ends at frame 120"),
        ("1,120,100,2", "starts at frame 120 and ends at frame 100"),
        ("1,-1,20,2", "goes from frame -1 to 20, but the video has 200 frames"),
        ("1,150,211,2", "goes from frame 150 to 211, but the video has 200 frames"),
        ("1,200,205,2", "goes from frame 200 to 205, but the video has 200 frames"),
    ],
)
def test_a_line_that_cannot_be_used_leaves_the_others(tmp_path, line, reason):
    read = labels(tmp_path, "4,30,40,2", line, "5,50,60,1")
    assert read.found == [[4, 30, 40], [5, 50, 60]]
    assert read.faults == (f"{tmp_path}/0002-M.txt: line 2 {reason}",)


def test_an_interval_may_reach_past_the_video_by_what_twins_may_differ(tmp_path):
    read = labels(tmp_path, "4,150,210,2")
    assert read.found == [[4, 150, 210]] and not read.faults
    (note,) = read.notes
    assert note.endswith("line 1 reaches 10 frames past the video")


def test_of_overlapping_intervals_the_later_is_left_out_whatever_the_labels(tmp_path):
    read = labels(
        tmp_path, "7,40,50,1", "4,10,30,2", "4,29,35,2", "5,20,41,1", "6,50,60,1"
    )
    # Lines in the order of their starts: 2, 4 (of another action), 3 (of the same).
    assert read.found == [[7, 40, 50], [4, 10, 30], [6, 50, 60]]
    assert [fault.split(": ")[1] for fault in read.faults] == [
        "line 3 overlaps line 2 of the same action",
        "line 4 overlaps line 2 of another action",
    ]


def test_a_faulty_interval_takes_no_other_with_it(tmp_path):
    read = labels(tmp_path, "4,10,900,2", "5,20,30,1")
    assert read.found == [[5, 20, 30]] and len(read.faults) == 1


def test_of_equal_intervals_the_first_line_stays(tmp_path):
    read = labels(tmp_path, "4,10,30,2", "4,10,30,2")
    assert read.found == [[4, 10, 30]] and len(read.faults) == 1


def test_a_label_file_without_text_is_refused(tmp_path):
    path = tmp_path / "0002-M.txt"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="0002-M.txt: the file is empty"):
        pku_files.read_labels(path, 9)


@pytest.mark.parametrize(
    "name",
    ["cross-view.txt", "cross_view.txt", "Split/cross-view_v2.txt", "x/Cross_View.txt"],
)
def test_split_files_go_by_several_names(tmp_path, name):
    path = raw_files.write_pku_split(tmp_path / name, ["0002-M", "0003-R"], ["0004-R"])
    splits = pku_files.find_splits(tmp_path)
    assert splits.files == {"cview": path}
    sides = {"0002-M": "train", "0003-R": "train", "0004-R": "test"}
    assert splits.sides == {"cview": sides} and splits.names == set(sides)
    # The other protocol has no file and goes by the rule.
    assert splits.of("0004-R") == {"cview": "test", "csub": "train"}
    assert splits.of("0300-M") == {"csub": "test"}
    assert splits.lacking("0004-R") == []
    (sentence,) = splits.lacking("0300-M")
    assert sentence == f"{path}: 0300-M is not in it and so in no split of cview"


def test_other_text_files_are_no_split_files(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "readme.txt").write_text("cross-view")
    (tmp_path / "deep" / "er" / "cross-view.txt").write_text("")
    assert pku_files.find_splits(tmp_path) == ({}, {})


def test_spaces_and_line_ends_do_not_matter_in_a_split_file(tmp_path):
    path = split(
        tmp_path,
        "\ufeffTraining videos: \r\n0002-M,0003-M , 0002-M\r\n\r\nV:\r\n0002-L,,\r\n",
    )
    assert pku_files.read_split(path) == {
        "0002-M": "train",
        "0003-M": "train",
        "0002-L": "test",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("0002-M, 0003-M\n0002-L\n", "not a split file, it has 2 lines"),
        ("T:\nA01N01-M\nV:\nA01N01-L\n", "A01N01-M: not the name of a video of PKU"),
        ("T:\n0002-M, 0003-M\nV:\n0003-M\n", "0003-M is on both sides"),
    ],
)
def test_a_file_that_is_no_split_file_is_named(tmp_path, content, message):
    with pytest.raises(DataError, match=f"cross-view.txt: {message}"):
        pku_files.read_split(split(tmp_path, content))


def test_two_split_files_of_one_protocol_must_agree(tmp_path):
    raw_files.write_pku_split(tmp_path / "cross-view.txt", ["0002-M"], ["0002-L"])
    again = tmp_path / "Split" / "cross_view.txt"
    raw_files.write_pku_split(again, ["0002-M"], ["0002-L"])
    assert len(pku_files.find_splits(tmp_path).names) == 2
    raw_files.write_pku_split(again, ["0002-M"], ["0003-L"])
    with pytest.raises(DataError, match=f"{again}: another split than .*cross-view"):
        pku_files.find_splits(tmp_path)


def test_a_file_says_by_folder_or_name_what_it_shows(tmp_path):
    for name, shown in (
        ("RGB_VIDEO/0002-M.avi", ("0002-M", "rgb")),
        ("IR_VIDEO/0002-M.avi", ("0002-M", "ir")),
        ("anywhere/hall_ir.avi", ("hall", "ir")),
        ("IR_VIDEO/hall_rgb.avi", ("hall", "rgb")),
    ):
        assert pku_names.shown(tmp_path / name) == shown
    with pytest.raises(DataError, match="hall.avi: colour or infrared"):
        pku_names.shown(tmp_path / "hall.avi")

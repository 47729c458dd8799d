"""PKU-MMD: split files, faults of raw files, and what is refused."""

import json

import pytest

from data_pipelines.datasets import pku_mmd
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files
from tests.data_pipelines.pku_videos import build, keys, load, small, videos


@pytest.fixture
def raw_dir(tmp_path):
    """Three short videos, of which a test spoils something."""
    return small(tmp_path / "raw")


def label_file(folder, name):
    return folder / "Train_Label_PKU_final" / f"{name}.txt"


def test_split_files_decide_where_there_are_any(raw_dir, tmp_path):
    path = raw_dir / "Split" / "cross-view.txt"
    raw_files.write_pku_split(path, ["0002-L", "0009-M"], ["0002-R"])
    report = build(raw_dir, tmp_path / "d")
    # It is in no split of one protocol: counted, and kept for the other.
    assert f"{path}: 0002-M is not in it and so in no split of cview" in report
    assert "kept 3 of 3" in report and "  skipped: 1\n" in report
    assert "  not found: 1\n    0009-M\n" in report
    given = videos(load(tmp_path / "d"))
    assert given == {"train": ["0002-L"], "test": ["0002-R"]}
    with pytest.raises(DataError, match=r"1 test videos.*\(missing: 0002-M, 0009-M\)"):
        pku_mmd.load(data_dir=tmp_path / "d")
    with pytest.raises(DataError, match="pku_mmd: the split 'test' is empty"):
        load(tmp_path / "d", protocol="csub")


def test_a_video_in_no_split_is_left_out(raw_dir, tmp_path):
    for name in ("cross_view.txt", "cross_subject.txt"):
        raw_files.write_pku_split(raw_dir / name, ["0002-L"], ["0002-R"])
    report = build(raw_dir, tmp_path / "d")
    assert "kept 2 of 3" in report and "  skipped: 1\n" in report
    for name, protocol in (("view", "cview"), ("subject", "csub")):
        assert f"cross_{name}.txt: 0002-M is not in it and so in no split of" in report
        assert f"in no split of {protocol}" in report


def test_faulty_files_are_skipped_counted_and_named(raw_dir, tmp_path):
    names = ("0004-M", "0005-M", "0006-M", "0007-M", "0008-M")
    raw_files.pku_mmd(raw_dir, names, lines=["1,5,20,1"], rgb=70, ir=70)
    (raw_dir / "IR_VIDEO" / "0004-M.avi").unlink()
    (raw_dir / "RGB_VIDEO" / "0005-M.avi").write_bytes(b"")
    raw_files.write_pku(raw_dir, "0006-M", rgb=70, ir=81)
    label_file(raw_dir, "0007-M").unlink()
    label_file(raw_dir, "0008-M").write_bytes(b"")
    (raw_dir / "IR_VIDEO" / "notes.avi").write_bytes(b"x")
    report = build(raw_dir, tmp_path / "d")
    for reason in (
        "0004-M: no ir file",
        f"{raw_dir}/RGB_VIDEO/0005-M.avi: the file is empty (0 bytes)",
        f"{raw_dir}/IR_VIDEO/0006-M.avi: 81 frames, but the video in colour has 70",
        f"{label_file(raw_dir, '0007-M')}: there is no such file",
        f"{label_file(raw_dir, '0008-M')}: the file is empty (0 bytes)",
        f"{raw_dir}/IR_VIDEO/notes.avi: notes: not the name of a video of PKU-MMD",
    ):
        assert report.count(reason) == 1, reason
    assert "kept 3 of 9" in report and "  skipped: 6\n" in report
    assert len(videos(load(tmp_path / "d"))["train"]) == 2


def test_ten_frames_of_difference_are_let_pass(raw_dir, tmp_path):
    raw_files.write_pku(raw_dir, "0004-M", ["1,5,20,1"], rgb=70, ir=80)
    assert "kept 4 of 4" in build(raw_dir, tmp_path / "d")


def test_lines_that_cannot_be_used_are_counted_under_their_video(raw_dir, tmp_path):
    path = label_file(raw_dir, "0002-M")
    path.write_text("1,5,20,1\n52,30,40,1\n2,10,15,1\n3,30,90,1\n4,50,50,1\nx\n")
    label_file(raw_dir, "0002-R").write_text("1,100,120,1\n")
    report = build(raw_dir, tmp_path / "d")
    for reason in (
        "line 2 has the label 52, not one of 1 to 51",
        "line 3 overlaps line 1 of another action",
        "line 4 goes from frame 30 to 90, but the video has 70 frames",
        "line 5 starts at frame 50 and ends at frame 50",
        "line 6 is not label,start,end,confidence: 'x'",
    ):
        assert report.count(f"{path}: {reason}") == 1, reason
    assert (
        f"{label_file(raw_dir, '0002-R')}: no action in it that can be used" in report
    )
    # The video with one good line is kept, that without is not.
    assert "kept 2 of 3" in report and "  skipped: 7\n" in report
    written = json.loads((tmp_path / "d/pku_mmd/1.0.0/report.json").read_text())
    assert [entry["key"] for entry in written["skipped"]] == [
        *5 * ["0002-M"],
        *2 * ["0002-R"],
    ]
    assert keys(load(tmp_path / "d").splits["train"]) == ["0002-M_i00"]


def test_too_many_faults_stop_the_build(raw_dir, tmp_path):
    (raw_dir / "IR_VIDEO" / "0002-M.avi").unlink()
    with pytest.raises(DataError, match="1 of 3 recordings have a fault"):
        build(raw_dir, tmp_path / "d", max_skipped=0.1)


@pytest.mark.parametrize("folder", ["RGB_VIDEO", "IR_VIDEO", "Train_Label_PKU_final"])
def test_a_folder_that_is_missing_is_named(raw_dir, tmp_path, folder):
    (raw_dir / folder).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{folder}: there is no such folder"):
        build(raw_dir, tmp_path / "d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "xsub"}, r"pku_mmd has the protocols \['csub', 'cview'\]"),
        ({"modalities": ("rgb", "depth")}, r"rgb and ir, not \['rgb', 'depth'\]"),
        ({"modalities": ()}, r"rgb and ir, not \[\]"),
    ],
)
def test_options_that_make_no_data_set_are_refused(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, **options)


def test_files_that_are_no_recording_are_refused(raw_dir):
    rgb, ir = (raw_dir / folder / "0002-R.avi" for folder in ("RGB_VIDEO", "IR_VIDEO"))
    with pytest.raises(DataError, match="M.avi is not of the recording 0002-R"):
        pku_mmd.read_recording([rgb, ir.with_name("0002-M.avi")])
    with pytest.raises(DataError, match="a second rgb video of 0002-R"):
        pku_mmd.read_recording([rgb, rgb])
    with pytest.raises(DataError, match="a colour video, an infrared or both"):
        pku_mmd.read_recording([])
    raw_files.write_pku(raw_dir, "0009-R", rgb=70, ir=90)
    paths = [path.with_name("0009-R.avi") for path in (rgb, ir)]
    with pytest.raises(DataError, match="infrared video has 90 frames, but .* 70"):
        pku_mmd.read_recording(paths)

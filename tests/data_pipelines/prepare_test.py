"""The command that builds: report, refusals, interruption, exit codes."""

import io
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from data_pipelines import raw, stored
from data_pipelines.datasets import utd_mhad
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from tests.data_pipelines import raw_files

ROOT = pathlib.Path(__file__).parents[2]
# Its third recording ends the process without any chance to tidy up.
KILLED = """
import os, signal
from data_pipelines.datasets import utd_mhad
from data_pipelines.prepare import prepare
calls = []
def read(modality, path):
    calls.append(path)
    if len(calls) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return utd_mhad.read(modality, path)
utd_mhad.Builder.layout = utd_mhad.LAYOUT._replace(read=read)
prepare("utd_mhad", raw_dir={raw!r}, data_dir={data!r})
"""


@pytest.fixture
def raw_dir(tmp_path):
    return raw_files.utd(tmp_path / "raw", actions=range(1, 6), subjects=(1, 2, 3))


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def build(raw_dir, data_dir, **options):
    return prepare("utd_mhad", raw_dir=raw_dir, data_dir=data_dir, **options)


def report(data_dir):
    return json.loads((data_dir / "utd_mhad/1.0.0/report.json").read_text())


def snapshot(folder):
    """Content and time of change of every file below a folder."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def file(raw_dir, key, modality="skeleton"):
    return raw_dir / modality.capitalize() / f"{key}_{modality}.mat"


def run(*options):
    return subprocess.run(
        [sys.executable, "-m", "data_pipelines.prepare", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_build_ends_with_a_report(raw_dir, data_dir):
    text = build(raw_dir, data_dir)
    assert "utd_mhad: kept 30 of 30 recordings" in text
    assert "skeleton: kept 30 of 30" in text
    assert "skipped: 0" in text
    stored = report(data_dir)
    assert (stored["kept"], stored["total"], stored["skipped"]) == (30, 30, [])
    assert len(stored["missing"]) == 861 - 30


def test_building_again_says_so_and_does_nothing(raw_dir, data_dir):
    build(raw_dir, data_dir)
    before = snapshot(data_dir)
    assert "is built already" in build(raw_dir, data_dir)
    assert snapshot(data_dir) == before


def test_raw_files_are_only_read(raw_dir, data_dir):
    before = snapshot(raw_dir)
    build(raw_dir, data_dir)
    assert snapshot(raw_dir) == before


def test_faulty_files_are_skipped_counted_and_named(raw_dir, data_dir):
    truncated = file(raw_dir, "a1_s1_t1")
    truncated.write_bytes(truncated.read_bytes()[:200])
    file(raw_dir, "a1_s1_t2", "inertial").write_bytes(b"")
    file(raw_dir, "a1_s2_t1", "inertial").unlink()
    raw_files.write_utd(raw_dir, "a1_s2_t2", d_skel=np.full((20, 3, 9), np.inf))
    raw_files.write_utd(raw_dir, "a1_s3_t1", d_skel=np.ones((25, 3, 9)))
    copy = file(raw_dir, "a2_s1_t1")
    copy.write_bytes(file(raw_dir, "a2_s3_t1").read_bytes())
    text = build(raw_dir, data_dir, max_skipped=0.5)
    assert "kept 24 of 30 recordings" in text
    for reason in (
        "a1_s1_t1_skeleton.mat: not a readable MATLAB 5 file or truncated (200 bytes)",
        "a1_s1_t2_inertial.mat: the file is empty (0 bytes)",
        "a1_s2_t1: no inertial file",
        "a1_s2_t2_skeleton.mat: 540 of 540 values are NaN or infinite",
        "a1_s3_t1_skeleton.mat: d_skel has shape (25, 3, 9)",
        f"{file(raw_dir, 'a2_s3_t1')}: the same content as {copy}",
    ):
        assert text.count(reason) == 1, reason
    stored = report(data_dir)
    assert stored["kept"] == 24
    assert len(stored["skipped"]) == 6
    # A kept file is one whose trial was kept: both modalities or none.
    assert {m["kept"] for m in stored["modalities"].values()} == {24}


def halves(recording, fields):
    """Every trial in two records; the third trial has a fault, the fourth is useless."""
    trial = recording.details["trial"]
    if trial == 4:
        return raw.Parts([], (f"{recording.key}: useless",))
    parts = [
        (
            recording._replace(key=f"{recording.key}_{n}", details={"own": {"n": [n]}}),
            {m: {m: arrays[m][n::2]} for m, arrays in fields.items()},
        )
        for n in range(2)
    ]
    faults = (f"{recording.key}: half of it is faulty",) if trial == 3 else ()
    return raw.Parts(parts, faults, (f"{recording.key}: cut",))


def test_a_recording_may_be_stored_as_several_records(tmp_path, data_dir, monkeypatch):
    raw_dir = raw_files.utd(tmp_path / "raw", subjects=(1,), trials=(1, 2, 3, 4))
    whole = utd_mhad.read("skeleton", file(raw_dir, "a2_s1_t1")).arrays["skeleton"]
    layout = utd_mhad.LAYOUT._replace(parts=halves)
    monkeypatch.setattr(utd_mhad.Builder, "layout", layout)
    text = build(raw_dir, data_dir, max_skipped=0.5)
    # Recordings are counted, not records: two of eight are lost, and two have a fault.
    assert "utd_mhad: kept 6 of 8 recordings" in text
    assert "skeleton: kept 6 of 8" in text
    written = report(data_dir)
    assert (written["kept"], written["total"], written["faulty"]) == (6, 8, 4)
    assert [entry["key"] for entry in written["skipped"]] == [
        *("a1_s1_t3", "a1_s1_t4", "a2_s1_t3", "a2_s1_t4")
    ]
    assert "a2_s1_t4: useless" in text and "a1_s1_t3: half of it is faulty" in text
    assert written["notes"] == [f"a{a}_s1_t{t}: cut" for a in (1, 2) for t in (1, 2, 3)]
    index = stored.open_built("utd_mhad", data_dir).index
    assert len(index) == 12
    assert index[7]["key"] == "a2_s1_t1_1" and index[7]["own"] == {"n": [1]}
    records = stored.Records(str(data_dir / "utd_mhad/1.0.0"), index, {"s": "skeleton"})
    np.testing.assert_array_equal(records[7]["s"], whole[1::2])


def test_a_recording_of_no_records_takes_its_performance_out(
    raw_dir, data_dir, monkeypatch
):
    def parts(recording, fields):
        if recording.key == "a1_s1_t2":
            return raw.Parts([], ("a1_s1_t2: useless",))
        return raw.Parts([(recording, fields)])

    layout = utd_mhad.LAYOUT._replace(parts=parts, performance=lambda key: key[:5])
    monkeypatch.setattr(utd_mhad.Builder, "layout", layout)
    text = build(raw_dir, data_dir)
    assert "kept 28 of 30" in text
    assert "a1_s1_t1: left out, as a1_s1_t2 of this performance is" in text


def test_too_many_faults_stop_with_the_list_and_leave_nothing(raw_dir, data_dir):
    for trial in (1, 2):
        for subject in (1, 2, 3):
            file(raw_dir, f"a1_s{subject}_t{trial}").write_bytes(b"")
    with pytest.raises(DataError, match="6 of 30 recordings have a fault") as caught:
        build(raw_dir, data_dir, max_skipped=0.1)
    assert "max_skipped=0.1" in str(caught.value)
    assert str(caught.value).count("the file is empty (0 bytes)") == 6
    assert snapshot(data_dir) == {}
    assert not list((data_dir / "utd_mhad").iterdir())
    assert "kept 24 of 30" in build(raw_dir, data_dir, max_skipped=0.2)


def test_a_folder_without_one_recording_is_refused(tmp_path, data_dir):
    for folder in ("Skeleton", "Inertial"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match="no complete recording of utd_mhad was found"):
        build(tmp_path / "raw", data_dir)


def test_a_wrong_raw_folder_is_named(tmp_path, data_dir):
    with pytest.raises(DataError, match="raw_dir .*nowhere: there is no such folder"):
        build(tmp_path / "nowhere", data_dir)
    with pytest.raises(
        DataError, match="Skeleton: there is no such folder, is the raw"
    ):
        build(tmp_path, data_dir)


def test_a_folder_that_cannot_be_written_is_named(raw_dir, tmp_path):
    occupied = tmp_path / "file"
    occupied.write_text("of the user's")
    with pytest.raises(DataError, match="cannot build in data_dir .*file/utd_mhad"):
        build(raw_dir, occupied)
    assert occupied.read_text() == "of the user's"


def test_a_full_disk_is_one_sentence_and_leaves_nothing(raw_dir, data_dir, monkeypatch):
    def full(self, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(utd_mhad.Builder, "download_and_prepare", full)
    with pytest.raises(DataError, match="cannot build .*No space left on device"):
        build(raw_dir, data_dir)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kinetics", "no data set 'kinetics', only berkeley_mhad, mm_office, mmact"),
        ("../os", "there is no data set '../os'"),
    ],
)
def test_an_unknown_data_set_is_refused(name, message, tmp_path):
    with pytest.raises(DataError, match=message):
        prepare(name, raw_dir=tmp_path, data_dir=tmp_path)


def test_a_folder_of_the_user_s_is_neither_taken_for_built_nor_touched(
    raw_dir, data_dir
):
    folder = data_dir / "utd_mhad" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("irreplaceable")
    before = snapshot(data_dir)
    with pytest.raises(DataError, match="is not a complete build .*move it away"):
        build(raw_dir, data_dir)
    assert snapshot(data_dir) == before


def test_a_build_killed_half_way_is_not_taken_for_built(raw_dir, data_dir):
    script = KILLED.format(raw=str(raw_dir), data=str(data_dir))
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, cwd=ROOT, timeout=120, check=False)
    assert process.returncode == -signal.SIGKILL
    (left,) = (data_dir / "utd_mhad").iterdir()
    with pytest.raises(DataError, match="is not prepared"):
        utd_mhad.load(data_dir=data_dir)
    text = build(raw_dir, data_dir)
    assert "kept 30 of 30" in text
    assert f"{left} is left from a build that was cut short" in text
    assert left.exists()
    dataset = utd_mhad.load(data_dir=data_dir, strict=False)
    assert len(dataset.splits["train"]) == 20


def test_a_terminal_shows_the_progress(raw_dir, data_dir, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    build(raw_dir, data_dir)
    assert "30/30" in sys.stderr.getvalue()


@pytest.mark.parametrize("side", [256, 8])
def test_a_short_side_without_video_files_is_refused(raw_dir, data_dir, side):
    message = f"--short_side={side}: utd_mhad has no video files to scale"
    with pytest.raises(DataError, match=message):
        build(raw_dir, data_dir, short_side=side)
    assert not data_dir.exists()
    build(raw_dir, data_dir)
    assert "short_side" not in report(data_dir)
    with pytest.raises(DataError, match=message):
        build(raw_dir, data_dir, short_side=side)


def test_the_command_prints_the_report_alone(raw_dir, data_dir):
    options = (
        "--dataset=utd_mhad",
        f"--raw_dir={raw_dir}",
        f"--data_dir={data_dir}",
    )
    first = run(*options)
    assert first.returncode == 0
    assert first.stdout.startswith("utd_mhad: kept 30 of 30 recordings\n")
    assert f"built {data_dir}/utd_mhad/1.0.0 in" in first.stdout
    # No bar and no log off a terminal.
    assert first.stderr == ""
    second = run(*options)
    assert (second.returncode, second.stderr) == (0, "")
    assert "is built already" in second.stdout


def test_the_command_refuses_another_short_side_than_that_of_the_build(tmp_path):
    raw_dir = raw_files.ntu(tmp_path / "raw", ["S001C001P001R001A001"])
    options = ("--dataset=ntu", f"--raw_dir={raw_dir}", f"--data_dir={tmp_path / 'd'}")
    first = run(*options, "--short_side=24")
    assert (first.returncode, first.stderr) == (0, "")
    before = snapshot(tmp_path / "d")
    second = run(*options, "--short_side=32")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (
        f"error: ntu is built already in {tmp_path}/d/ntu/1.0.0 with --short_side=24, "
        "not 32: move it away or choose another --data_dir\n"
    )
    assert snapshot(tmp_path / "d") == before


def test_the_command_fails_in_one_sentence(raw_dir, tmp_path):
    process = run(
        "--dataset=utd_mhad",
        f"--raw_dir={tmp_path / 'nowhere'}",
        f"--data_dir={tmp_path / 'data'}",
    )
    assert process.returncode == 1
    assert process.stderr == (
        f"error: raw_dir {tmp_path / 'nowhere'}: there is no such folder\n"
    )
    assert process.stdout == ""
    assert not (tmp_path / "data").exists()

"""Files listed, paired by key and checked."""

import numpy as np
import pytest

from data_pipelines import raw
from data_pipelines.errors import DataError


def recording(key, paths):
    return raw.Recording(key, 0, 1, {}, paths)


def test_a2_comes_before_a10(tmp_path):
    for name in ("a10.txt", "a2.txt", "b1.txt"):
        (tmp_path / name).touch()
    (tmp_path / "a3.txt").mkdir()
    names = [path.name for path in raw.listing(tmp_path, "*.txt")]
    assert names == ["a2.txt", "a10.txt", "b1.txt"]


def test_natural_order_compares_numbers_with_numbers_only():
    assert sorted(["1a", "a1", "a", "", "10"], key=raw.natural) == [
        "",
        "1a",
        "10",
        "a",
        "a1",
    ]


def test_a_value_too_large_for_float32_is_not_finite(tmp_path):
    with pytest.raises(DataError, match="1 of 2 values"):
        raw.finite(tmp_path, np.array([1.0, 1e300]))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="Skeleton: there is no such folder"):
        raw.listing(tmp_path / "Skeleton", "*")


def test_files_are_paired_by_key_and_not_by_order(tmp_path):
    catalogue = raw.Catalogue(("skeleton", "inertial"))
    catalogue.add("skeleton", "a2", tmp_path / "a2_s")
    catalogue.add("skeleton", "a1", tmp_path / "a1_s")
    catalogue.add("inertial", "a2", tmp_path / "a2_i")
    catalogue.add("inertial", "a3", tmp_path / "a3_i")
    found = catalogue.found(
        recording, required=("skeleton", "inertial"), grid=("a1", "a9")
    )
    assert [r.key for r in found.recordings] == ["a2"]
    assert found.recordings[0].paths == {
        "skeleton": tmp_path / "a2_s",
        "inertial": tmp_path / "a2_i",
    }
    assert found.faults == {"a1": "a1: no inertial file", "a3": "a3: no skeleton file"}
    assert found.missing == ["a9"]
    assert found.counts == {"skeleton": 2, "inertial": 2}


def test_without_required_modalities_any_one_makes_a_recording(tmp_path):
    catalogue = raw.Catalogue(("h01", "h02"))
    catalogue.add("h02", "a1", tmp_path / "x")
    assert catalogue.found(recording).recordings[0].paths == {"h02": tmp_path / "x"}


def test_two_files_for_one_place_are_a_fault(tmp_path):
    catalogue = raw.Catalogue(("h01",))
    catalogue.add("h01", "a1", tmp_path / "one")
    catalogue.add("h01", "a1", tmp_path / "two")
    (reason,) = catalogue.found(recording).faults.values()
    assert reason == f"{tmp_path}/two: {tmp_path}/one is the h01 of a1 too"


def test_values_become_float32_unless_they_are_not_finite(tmp_path):
    assert raw.finite(tmp_path, np.ones((2, 3))).dtype == np.float32
    with pytest.raises(DataError, match="2 of 6 values are NaN or infinite"):
        raw.finite(tmp_path, np.array([[1, np.nan, 2], [3, np.inf, 4]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b" \n", r"the file is empty \(2 bytes\)"),
        (b"\xff\xfe\x00", r"not a text file \(3 bytes\)"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path, content, message):
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        raw.text(path)


def test_text_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"x.txt: cannot be read \(No such file"):
        raw.text(tmp_path / "x.txt")
    with pytest.raises(DataError, match=r"x.txt: cannot be read \(No such file"):
        raw.fingerprint(tmp_path / "x.txt")


def test_a_byte_order_mark_is_not_content(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbf1,2")
    assert raw.text(path) == "1,2"


def test_a_fingerprint_is_of_the_content(tmp_path):
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    prints = [raw.fingerprint(tmp_path / name) for name in "abc"]
    assert prints[0] == prints[1] != prints[2]

"""Skeleton text: bodies, frames without one, damage."""

import numpy as np
import pytest

from data_pipelines import kinect_text
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files

# As the Kinect numbers bodies: closer together than float64 can tell.
ONE, TWO, THREE = 72057594037931101, 72057594037931102, 72057594037931103


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def write(tmp_path, frames, **options):
    return raw_files.write_skeleton(tmp_path / "x.skeleton", frames, **options)


def test_joints_in_metres_and_in_pixels_with_a_score(tmp_path, rng):
    body = raw_files.ntu_body(rng, frames=4)
    body[1, 3, 11], body[2, 7, 11] = 1, 0
    reading = kinect_text.read(write(tmp_path, [{ONE: joints} for joints in body]))
    joints, skeleton = (reading.arrays[name] for name in ("joints", "skeleton"))
    assert joints.shape == skeleton.shape == (4, 2, 25, 3)
    assert joints.dtype == skeleton.dtype == np.float32
    np.testing.assert_allclose(skeleton[:, 0], body[..., :3], rtol=1e-6)
    # Columns: x y z, depth x y, colour x y, four of rotation, tracking state.
    np.testing.assert_allclose(joints[:, 0, :, :2], body[..., 5:7], rtol=1e-6)
    score = np.ones((4, 25))
    score[1, 3], score[2, 7] = 0.5, 0
    np.testing.assert_array_equal(joints[:, 0, :, 2], score)
    assert not joints[:, 1].any() and not skeleton[:, 1].any()
    assert reading.notes == ()


def test_lines_may_end_as_windows_ends_them(tmp_path, rng):
    frames = [{ONE: joints} for joints in raw_files.ntu_body(rng, frames=3)]
    plain = kinect_text.read(write(tmp_path, frames)).arrays
    other = kinect_text.read(write(tmp_path, frames, newline="\r\n")).arrays
    for name in plain:
        np.testing.assert_array_equal(plain[name], other[name])


def test_two_bodies_are_told_apart_by_all_digits_of_their_numbers(tmp_path, rng):
    one, two = (raw_files.ntu_body(rng, frames=3) for _ in range(2))
    # The second is written first in one frame: numbers count, not places.
    frames = [{ONE: one[0], TWO: two[0]}, {TWO: two[1], ONE: one[1]}, {ONE: one[2]}]
    skeleton = kinect_text.read(write(tmp_path, frames)).arrays["skeleton"]
    found = sorted(skeleton[:2, :, 0, 0].T.tolist())
    wanted = sorted(body[:2, 0, 0].tolist() for body in (one, two))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_frames_without_a_body_keep_their_place(tmp_path, rng):
    body = raw_files.ntu_body(rng, frames=2)
    frames = [{}, {ONE: body[0]}, {}, {}, {ONE: body[1]}, {}]
    joints = kinect_text.read(write(tmp_path, frames)).arrays["joints"]
    np.testing.assert_array_equal(joints.any((1, 2, 3)), [0, 1, 0, 0, 1, 0])


def test_of_six_bodies_the_two_that_move_most_are_kept(tmp_path, rng):
    still = raw_files.ntu_body(rng, frames=1)[0]
    steps = {10: 0.0, 11: 0.3, 12: 0.0, 13: 0.1, 14: 0.5, 15: 0.2}
    frames = []
    for t in range(5):
        # Along z alone: a phantom that does not move in depth must not win.
        moved = {n: still + np.eye(12)[2] * step * t for n, step in steps.items()}
        frames.append(moved)
    reading = kinect_text.read(write(tmp_path, frames))
    depth = reading.arrays["skeleton"][:, :, 0, 2]
    np.testing.assert_allclose(np.diff(depth, axis=0), [[0.5, 0.3]] * 4, atol=1e-5)
    assert reading.notes == ("6 bodies, the 2 that move most are kept",)


def test_joints_without_a_finite_place_are_missing_and_counted(tmp_path, rng):
    body = raw_files.ntu_body(rng, frames=3)
    body[1, 4, 5], body[2, 9, 2] = np.nan, np.inf
    reading = kinect_text.read(write(tmp_path, [{ONE: joints} for joints in body]))
    for values in reading.arrays.values():
        assert np.isfinite(values).all()
        assert not values[1, 0, 4].any() and not values[2, 0, 9].any()
        assert values[1, 0, 5].any()
    assert reading.notes == ("2 joints without a finite place count as missing",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "truncated"),
        (lambda text: text.rsplit(" ", 1)[0], "cut short"),
        (lambda text: text + "7\n", "1 numbers after the last frame"),
        (lambda text: text.replace("\n25\n", "\n20\n", 1), "20 joints, not 25"),
        (lambda text: text.replace("3\n1\n", "3\n7\n", 1), "7 where a count stands"),
        (lambda text: text.replace("3\n1\n", "3\n1.5\n", 1), "1.5 where a count"),
        (lambda text: text.replace("3\n", "-3\n", 1), "-3 where a count stands"),
        (lambda text: text.replace("3\n", "nan\n", 1), "nan where a count stands"),
        (lambda text: "skeleton " + text, "not a skeleton file"),
        (lambda text: "", r"the file is empty \(0 bytes\)"),
        (lambda text: "0\n", "no body in any of the 0 frames"),
        (lambda text: "2\n0\n0\n", "no body in any of the 2 frames"),
    ],
)
def test_a_fault_is_named(tmp_path, rng, change, message):
    frames = [{ONE: joints} for joints in raw_files.ntu_body(rng, frames=3)]
    path = write(tmp_path, frames)
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        kinect_text.read(path)
    assert "x.skeleton" in str(caught.value)


def test_a_body_of_nothing_but_nan_is_nobody(tmp_path):
    path = write(tmp_path, [{ONE: np.full((25, 12), np.nan)}])
    with pytest.raises(DataError, match="no joint has a place"):
        kinect_text.read(path)

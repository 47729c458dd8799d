"""Poses from JSON: joint orders, bodies, frames, faults."""

import json

import numpy as np
import pytest

from data_pipelines import pose
from data_pipelines.errors import DataError

# The two orders as OpenPose and COCO document them.
OPENPOSE = """nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow
left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye
left_eye right_ear left_ear""".split()  # noqa: SIM905
COCO = """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder
left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee
left_ankle right_ankle""".split()  # noqa: SIM905


def write(tmp_path, frames):
    path = tmp_path / "pose.json"
    path.write_text(frames if isinstance(frames, str) else json.dumps(frames))
    return path


def body(value, joints=17):
    return [float(value)] * (3 * joints)


def read(tmp_path, frames):
    return pose.read(write(tmp_path, frames))


def test_seventeen_joints_are_taken_as_they_are(tmp_path):
    values = np.arange(51.0)
    got = read(tmp_path, {"0": {"person1": values.tolist()}}).arrays["skeleton"]
    assert got.shape == (1, 2, 17, 3)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[0, 0], values.reshape(17, 3))
    assert not got[0, 1].any()


def test_eighteen_joints_are_brought_into_coco_s_order(tmp_path):
    numbered = [[i, i, 1] for i in range(18)]
    flat = np.ravel(numbered).tolist()
    got = read(tmp_path, {"0": {"person1": flat}}).arrays["skeleton"][0, 0, :, 0]
    assert [OPENPOSE[int(i)] for i in got] == COCO


def test_frames_are_ordered_by_number_and_empty_ones_keep_their_place(tmp_path):
    frames = {
        "frame_10": {"person1": body(3)},
        "frame_8": {"person1": body(1)},
        "frame_11": {},
        "frame_12": {"person1": body(5)},
    }
    got = read(tmp_path, frames).arrays["skeleton"][:, 0, 0, 0]
    np.testing.assert_array_equal(got, [1, 0, 3, 0, 5])


def test_the_two_bodies_that_move_most_are_kept(tmp_path):
    frames = {
        str(t): {
            "person1": body(7),  # does not move
            "person2": body(t + 1),
            "person3": body(5 * t + 1),
            "person10": body(0),
        }
        for t in range(4)
    }
    reading = read(tmp_path, frames)
    first, second = reading.arrays["skeleton"].transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(first[:, 0, 0], [1, 6, 11, 16])
    np.testing.assert_array_equal(second[:, 0, 0], [1, 2, 3, 4])
    assert reading.notes == ("4 bodies, the 2 that move most are kept",)


def test_bodies_that_move_alike_keep_their_order():
    clip = np.zeros((3, 3, 17, 3))
    clip[:, 1:] = 4.0
    clip[0, 1:, 0, 0] = [1.0, 2.0]
    clip[2, 1:, 0, 0] = [1.0, 2.0]
    clip[1, 1:, 0, 0] = [2.0, 3.0]
    np.testing.assert_array_equal(pose.most_moving(clip), clip[:, 1:])


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ("", "the file is empty"),
        ('{"0": {"person1": [1, 2', r"not JSON or truncated \(23 bytes\)"),
        ("[" * 100_000, "not JSON"),
        ({"0": {"p": [10**400] * 51}}, "not a list of numbers"),
        ([1], "not an object of frames"),
        ({}, "not an object of frames"),
        ({"0": [1]}, "a frame is not an object of bodies"),
        ({"first": {}}, "the frame 'first' has no number"),
        ({"1": {}, "f1": {}}, "numbered twice"),
        ({"1": {}, "999999999": {}}, "span 999999999"),
        ({"0": {"p": body(1, 25)}}, "75 values, not 51"),
        ({"0": {"p": ["x"] * 51}}, "not a list of numbers"),
        ({"0": {"p": None}}, "not a list of numbers|1 values"),
        ({"0": {"p": body(0)}}, "every joint of the skeleton is zero"),
        ({"0": {}}, "every joint of the skeleton is zero"),
        ('{"0": {"p": [' + ",".join(["NaN"] * 51) + "]}}", "51 of 102 values are NaN"),
    ],
)
def test_a_fault_is_named(tmp_path, frames, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, frames)
    assert "pose.json" in str(caught.value)

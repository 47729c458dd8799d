"""Annotation files: shapes, bodies, faults."""

import pickle

import numpy as np
import pytest

from data_pipelines import annotations
from data_pipelines.errors import DataError


def entry(name="a", *, bodies=1, frames=4, joints=17):
    shape = (bodies, frames, joints)
    rng = np.random.default_rng(0)
    return {
        "frame_dir": name,
        "keypoint": rng.uniform(1, 99, (*shape, 2)).astype(np.float16),
        "keypoint_score": rng.uniform(0, 1, shape).astype(np.float16),
    }


def read(tmp_path, content):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content))
    return annotations.read(path)


def test_recordings_are_found_by_name(tmp_path):
    found = read(tmp_path, {"annotations": [entry("b"), entry("a", frames=7)]})
    assert list(found) == ["b", "a"]
    assert annotations.topology(found) == "coco"
    got = annotations.joints(found["a"])
    assert got.shape == (7, 2, 17, 3) and got.dtype == np.float32
    np.testing.assert_array_equal(got[:, 0, :, :2], found["a"]["keypoint"][0])
    assert not got[:, 1].any()


def test_kinect_joints_have_their_topology(tmp_path):
    found = read(tmp_path, {"annotations": [entry(joints=25)]})
    assert annotations.topology(found) == "kinect_v2"


def test_of_three_bodies_the_two_that_move_most_are_kept():
    one = entry(bodies=3)
    one["keypoint"][1] = one["keypoint"][1, :1]
    got = annotations.joints(one)
    assert got.shape == (4, 2, 17, 3)
    first = one["keypoint"][1, 0, 0, 0]
    assert not (got[:, :, 0, 0] == first).all(0).any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "not a dict with a list of annotations"),
        ({"annotations": []}, "not a dict with a list of annotations"),
        ({"annotations": [3]}, "annotation 0 has no frame_dir"),
        ({"annotations": [{"frame_dir": "a"}]}, "a has no 2-D poses with scores"),
        ({"annotations": [entry(), entry()]}, "a is annotated twice"),
        ({"annotations": [entry(joints=18)]}, r"poses of \[18\] joints, not of 17"),
        (
            {"annotations": [entry("a"), entry("b", joints=25)]},
            r"poses of \[17, 25\] joints",
        ),
        ({"annotations": [entry(frames=0)]}, "nobody"),
        ({"annotations": [entry(bodies=0)]}, "nobody"),
        (
            {"annotations": [entry() | {"keypoint": np.ones((1, 4, 17, 3))}]},
            r"shape \(1, 4, 17, 3\) and scores",
        ),
        (
            {"annotations": [entry() | {"keypoint_score": np.ones((1, 3, 17))}]},
            r"scores of \(1, 3, 17\)",
        ),
        (
            {"annotations": [entry() | {"keypoint": np.full((1, 4, 17, 2), "x")}]},
            "not numbers",
        ),
    ],
)
def test_a_fault_is_named(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, content)
    assert "x.pkl" in str(caught.value)

"""Persons in the outputs of a detector: both layouts, overlaps, faults."""

import sys

import av
import numpy as np
import pytest

from data_pipelines import detector
from data_pipelines.errors import DataError
from tests import reference_scenes


def rows(*boxes):
    """YOLOv10: corners, score and class of each box, [1 N 6]."""
    return np.array([[[0, 0, 9, 9, score, kind] for score, kind in boxes]], np.float32)


def columns(*boxes, classes=3):
    """YOLOv8: centre, size and scores of each box, [1 4+K N]."""
    made = np.zeros((1, 4 + classes, len(boxes)), np.float32)
    for i, (x, y, w, h, *scores) in enumerate(boxes):
        made[0, :, i] = [x, y, w, h, *scores]
    return made


def mean(output, confidence=0.25):
    return detector.confidence_of(output, confidence=confidence)


def test_of_rows_the_persons_above_the_score_are_averaged():
    found = rows((0.9, 0), (0.5, 0), (0.8, 2), (0.25, 0), (0.1, 0))
    assert mean(found) == pytest.approx(0.7)
    assert mean(found, 0.6) == pytest.approx(0.9)
    assert mean(rows((0.9, 1), (0.2, 0))) == 0.0


def test_of_columns_one_of_each_that_overlap_is_averaged():
    found = columns(
        (50, 50, 20, 40, 0.6, 0.1, 0.0),
        (51, 50, 20, 40, 0.8, 0.1, 0.0),  # the same person, more surely
        (90, 50, 20, 40, 0.4, 0.3, 0.0),  # another
        (20, 50, 20, 40, 0.5, 0.9, 0.0),  # surely no person
        (70, 90, 20, 40, 0.2, 0.0, 0.0),  # too unsure
    )
    assert mean(found) == pytest.approx((0.8 + 0.4) / 2)
    assert mean(columns((1, 1, 2, 2, 0.1, 0.9, 0.0))) == 0.0


def test_persons_side_by_side_are_two():
    # Shifted by a tenth of the width 9/11 is shared, by a quarter 3/5.
    for shift, wanted in ((1, 0.8), (2.5, 0.7)):
        found = columns(
            (50, 50, 10, 40, 0.8, 0, 0), (50 + shift, 50, 10, 40, 0.6, 0, 0)
        )
        corners = [(45, 30, 55, 70), (45 + shift, 30, 55 + shift, 70)]
        assert (reference_scenes.overlap(*corners) > detector.OVERLAP) == (
            wanted == 0.8
        )
        assert mean(found) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.zeros((1, 3, 4)), r"shape \[1, 3, 4\] is no list of boxes"),
        (np.zeros((2, 300, 6)), r"shape \[2, 300, 6\] is no list of boxes"),
        (np.zeros(6), r"shape \[6\] is no list of boxes"),
        (np.full((1, 9, 6), np.nan), "not finite"),
    ],
)
def test_an_output_that_is_no_list_of_boxes_is_refused(output, message):
    with pytest.raises(DataError, match=message):
        mean(output)


def test_a_picture_is_shown_in_proportion_with_grey_margins():
    white = np.full((30, 60, 3), 255, np.uint8)
    got = detector.boxed(av.VideoFrame.from_ndarray(white), (40, 40))
    assert got.shape == (1, 3, 40, 40) and got.dtype == np.float32
    np.testing.assert_allclose(got[0, :, 12:28], 1, atol=0.02)
    np.testing.assert_allclose(got[0, :, :10], 114 / 255, atol=1e-6)
    np.testing.assert_allclose(got[0, :, 30:], 114 / 255, atol=1e-6)


def test_without_onnxruntime_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DataError, match=r"needs onnxruntime, .*kdjax\[people\]"):
        detector.Detector(tmp_path / "yolo.onnx")


def write_network(path, *, side=32):
    """A network that finds a person as sure as the picture is bright."""
    onnx = pytest.importorskip("onnx", reason="onnx, which writes networks, is absent")
    make, numbers = onnx.helper, onnx.TensorProto
    inputs = [make.make_tensor_value_info("images", numbers.FLOAT, [1, 3, side, side])]
    outputs = [make.make_tensor_value_info("boxes", numbers.FLOAT, [1, 1, 6])]
    constant = make.make_tensor("value", numbers.FLOAT, [1, 1, 4], [0, 0, 9, 9])
    person = make.make_tensor("value", numbers.FLOAT, [1, 1, 1], [0])
    shape = make.make_tensor("value", numbers.INT64, [3], [1, 1, 1])
    nodes = [
        make.make_node("Constant", [], ["corners"], value=constant),
        make.make_node("Constant", [], ["person"], value=person),
        make.make_node("Constant", [], ["shape"], value=shape),
        make.make_node("ReduceMean", ["images"], ["bright"], keepdims=0),
        make.make_node("Reshape", ["bright", "shape"], ["score"]),
        make.make_node("Concat", ["corners", "score", "person"], ["boxes"], axis=2),
    ]
    graph = make.make_graph(nodes, "bright", inputs, outputs)
    opset = [make.make_opsetid("", 18)]
    model = make.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.save(model, str(path))
    return path


def test_a_network_is_read_from_a_file_and_asked(tmp_path):
    pytest.importorskip(
        "onnxruntime", reason="onnxruntime, which is optional, is absent"
    )
    network = detector.Detector(write_network(tmp_path / "bright.onnx"))
    grey = av.VideoFrame.from_ndarray(np.full((20, 20, 3), 153, np.uint8))
    assert network(grey, confidence=0.25) == pytest.approx(0.6, abs=0.01)
    assert network(grey, confidence=0.7) == 0.0


def test_a_file_that_is_no_network_is_named(tmp_path):
    pytest.importorskip(
        "onnxruntime", reason="onnxruntime, which is optional, is absent"
    )
    path = tmp_path / "x.onnx"
    with pytest.raises(DataError, match="x.onnx: there is no such file"):
        detector.Detector(path)
    path.write_bytes(b"no network")
    with pytest.raises(DataError, match="x.onnx: not a network in ONNX"):
        detector.Detector(path)

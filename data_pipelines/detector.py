"""Persons in pictures, found by a YOLO network in an ONNX file.

Two layouts of outputs are understood. YOLOv8 and its kin give a column for each of
thousands of overlapping boxes, `[1 4+K N]`: centre, width and height, and a score for
each of K classes; of boxes that overlap only the best is kept. YOLOv10 gives a row for
each of at most some hundred boxes, `[1 N 6]`: two corners, score and class. Class 0 is
the person, as in COCO.
"""

import pathlib

import av
import numpy as np

from data_pipelines.errors import DataError

PERSON = 0
OVERLAP = 0.7
"""Intersection over union above which two boxes are one person, as in Ultralytics."""
SIDE = 640
"""Pixels of the network's input, where the file leaves them open."""
GREY = 114
"""Of the margin around a picture that is not square."""


class Detector:
    """A network that finds persons, read from a file."""

    def __init__(self, path: pathlib.Path):
        """Read the network.

        Args:
          path: of the ONNX file.

        Raises:
          DataError: if onnxruntime is not installed, or it is no such file.
        """
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise DataError(
                "a detector needs onnxruntime, which is not installed: "
                "pip install 'kdjax[people]'"
            ) from error
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), providers=["CPUExecutionProvider"]
            )
        # Every fault of a file has an exception of its own in onnxruntime.
        except Exception as error:
            raise DataError(f"{path}: not a network in ONNX ({error})") from error
        self._path, (self._input, *_) = path, self._session.get_inputs()
        sides = [n if isinstance(n, int) else SIDE for n in self._input.shape[2:]]
        if len(sides) != 2:
            raise DataError(f"{path}: its input {self._input.shape} is not of pictures")
        self._size = sides[0], sides[1]

    def __call__(self, frame: av.VideoFrame, *, confidence: float) -> float:
        """The mean score of the persons in a picture, see `confidence_of`."""
        picture = boxed(frame, self._size)
        (output, *_) = self._session.run(None, {self._input.name: picture})
        try:
            return confidence_of(output, confidence=confidence)
        except DataError as error:
            raise DataError(f"{self._path}: {error}") from error


def boxed(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """A picture as the network is shown it, in proportion, with grey margins.

    Args:
      frame: of any size.
      size: height and width in pixels of the network's input.

    Returns:
      Float32 [1 3 H W] of 0..1.
    """
    height, width = size
    scale = min(height / frame.height, width / frame.width)
    h, w = (max(1, round(n * scale)) for n in (frame.height, frame.width))
    small = frame.reformat(w, h, "rgb24", interpolation="BILINEAR").to_ndarray()
    out = np.full((height, width, 3), GREY, np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    out[top : top + h, left : left + w] = small
    return out.transpose(2, 0, 1)[None].astype(np.float32) / 255


def confidence_of(output: np.ndarray, *, confidence: float) -> float:
    """How sure a network is of the persons it found in one picture.

    Args:
      output: [1 N 6] or [1 4+K N], see the head of this file.
      confidence: score that a box must exceed.

    Returns:
      The mean score of the boxes of persons, 0 where there is none.

    Raises:
      DataError: if the output has another shape or is not finite.
    """
    output = np.asarray(output, np.float32)
    listed = output.ndim == 3 and len(output) == 1
    if not listed or (output.shape[2] != 6 and output.shape[1] < 5):
        raise DataError(f"an output of shape {list(output.shape)} is no list of boxes")
    if not np.isfinite(output).all():
        raise DataError("an output has values that are not finite")
    if output.shape[2] == 6:
        score, kind = output[0, :, 4], output[0, :, 5]
        scores = score[(np.rint(kind) == PERSON) & (score > confidence)]
    else:
        scores = _best(output[0].T, confidence)
    return float(scores.mean()) if len(scores) else 0.0


def _best(boxes: np.ndarray, confidence: float) -> np.ndarray:
    """Scores of the persons among boxes [N 4+K], one of each that overlap."""
    by_class = boxes[:, 4:]
    persons = (by_class.argmax(axis=1) == PERSON) & (by_class[:, PERSON] > confidence)
    chosen = boxes[persons]
    chosen = chosen[np.argsort(-chosen[:, 4 + PERSON], kind="stable")]
    corners = np.concatenate(
        [chosen[:, :2] - chosen[:, 2:4] / 2, chosen[:, :2] + chosen[:, 2:4] / 2], axis=1
    )
    kept: list[int] = []
    for i, box in enumerate(corners):
        if not kept or _overlap(box, corners[kept]).max() <= OVERLAP:
            kept.append(i)
    return chosen[kept, 4 + PERSON]


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] with others [N 4], as corners."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / np.maximum((box[2:] - box[:2]).prod() + areas - shared, 1e-9)

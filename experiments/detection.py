r"""Detection of actions in untrimmed videos: the metrics of PKU-MMD, and proposals.

A proposal is (label, start, end, confidence, video), a true action (label, start, end,
video); labels count from 1 and videos are numbers, see `pku_names.video_number`. A
proposal may stand for the true action of its label and video that it overlaps most, the
later one of equals; it does so at the threshold :math:`\theta` where

.. math:: IoU = \frac{\min(e_p, e_g) - \max(s_p, s_g)}{\max(e_p, e_g) - \min(s_p, s_g)}
   \ge \theta

A true action is found once, however many proposals stand for it. The public code, while
a proposal has no match, compares its candidates with the last of all true actions; that
one, where it overlaps more, takes the match at its own turn, so that the comparison
never changes the result and is left out here.

References:
  Liu, Hu, Li, Song and Liu, *PKU-MMD: A Large Scale Benchmark for Continuous Multi-Modal
  Human Action Understanding*, ACM Multimedia Workshop 2017, arXiv:1703.07475;
  https://github.com/ECHO960/PKU-MMD, `evaluate.py`.
"""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data_pipelines.pku_names import parse_window, video_number

THETAS = tuple(0.05 * (step + 1) for step in range(20))
"""Thresholds of the average over overlaps, 0.05 to 1; products, as in the public code."""


class Scores(NamedTuple):
    """How well actions were detected.

    Attributes:
      f1: of all proposals, none left out for its confidence.
      ap: average precision of all proposals pooled.
      map_action: mean of the average precisions of the labels; one without a true
        action counts as 0.
      map_video: mean of the average precisions of the videos, their labels pooled; all
        videos with a proposal or a true action.
      ap2d: mean of `ap` over the thresholds `THETAS`.
      ap_per_label: float64 [K], label 1 first.
    """

    f1: float
    ap: float
    map_action: float
    map_video: float
    ap2d: float
    ap_per_label: np.ndarray


def evaluate(
    proposals: np.ndarray, ground: np.ndarray, *, classes: int = 51, theta: float = 0.5
) -> Scores:
    """Measure detections as PKU-MMD does.

    Args:
      proposals: [N 5], label, start, end, confidence and video.
      ground: [G 4], label, start, end and video of the true actions.
      classes: K, labels being 1 to K.
      theta: least overlap of a match, 0 < theta <= 1.

    Returns:
      The scores, each in 0..1.

    Raises:
      ValueError: if a shape, a label, an interval or theta is not as it should be.
    """
    proposals, ground = np.asarray(proposals, float), np.asarray(ground, float)
    _check(proposals, 5, classes=classes)
    _check(ground, 4, classes=classes)
    if not 0 < theta <= 1:
        raise ValueError(f"theta is {theta}, not a positive overlap of at most 1")
    matched = _match(proposals, ground)
    labels, videos = range(1, classes + 1), np.union1d(proposals[:, 4], ground[:, 3])
    per_label = _aps(matched, proposals[:, 0], ground[:, 0], labels, theta)
    per_video = _aps(matched, proposals[:, 4], ground[:, 3], videos, theta)
    # Pooled proposals of one confidence stand in the order of their labels, as in the
    # public code.
    pooled = matched.only(np.argsort(proposals[:, 0], kind="stable"))
    return Scores(
        f1=_f1(pooled, len(ground), theta),
        ap=_ap(pooled, len(ground), theta),
        map_action=float(per_label.mean()),
        map_video=float(per_video.mean()) if len(per_video) else 0.0,
        ap2d=float(np.mean([_ap(pooled, len(ground), t) for t in THETAS])),
        ap_per_label=per_label,
    )


def proposals_from_windows(
    keys: Sequence[str], probabilities: np.ndarray, *, threshold: float, overlap: float
) -> np.ndarray:
    """Make proposals of the scores of sliding windows.

    Of every video and class, the windows whose probability reaches the threshold are
    proposals, each from its first frame to its last; of those that overlap, the most
    probable alone (non-maximum suppression).

    Args:
      keys: of the N windows, see `pku_names.window_key`.
      probabilities: [N K], class 0 being label 1.
      threshold: least probability of a proposal, 0..1.
      overlap: IoU, 0..1; a window that overlaps a more probable proposal of its video
        and class by more is left out.

    Returns:
      Float64 [P 5], label, start, end, confidence and number of the video; by video and
      label, the most probable first.

    Raises:
      DataError: if a key is not that of a window.
      ValueError: if the probabilities are not [N K] in 0..1, or an option is not.
    """
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim != 2 or len(probabilities) != len(keys):
        raise ValueError(
            f"probabilities of shape {probabilities.shape} for {len(keys)} windows"
        )
    # A softmax in float32 may round above 1.
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
        raise ValueError("probabilities are not all in 0..1")
    if not (0 <= threshold <= 1 and 0 <= overlap <= 1):
        raise ValueError(
            f"threshold {threshold} and overlap {overlap} are not both in 0..1"
        )
    windows = [parse_window(key) for key in keys]
    intervals = np.array([w[1:] for w in windows], float).reshape(-1, 2)
    videos = np.array([video_number(name) for name, *_ in windows], int)
    found = []
    for video in np.unique(videos):
        inside = np.flatnonzero(videos == video)
        for k in range(probabilities.shape[1]):
            scores = probabilities[inside, k]
            likely = inside[scores >= threshold]
            for i in _suppressed(intervals[likely], probabilities[likely, k], overlap):
                window = likely[i]
                found.append(
                    (k + 1, *intervals[window], probabilities[window, k], video)
                )
    return np.array(found, float).reshape(-1, 5)


class _Matched(NamedTuple):
    """Of each proposal, its confidence, the true action it overlaps most, how much."""

    confidence: np.ndarray
    action: np.ndarray
    overlap: np.ndarray

    def only(self, chosen: np.ndarray) -> "_Matched":
        return _Matched(*(array[chosen] for array in self))


def _match(proposals: np.ndarray, ground: np.ndarray) -> _Matched:
    action = np.full(len(proposals), -1)
    overlap = np.full(len(proposals), -1.0)
    where: dict[tuple[float, float], list[int]] = collections.defaultdict(list)
    for i, (label, *_, video) in enumerate(ground):
        where[label, video].append(i)
    for i, (label, start, end, _, video) in enumerate(proposals):
        candidates = where.get((label, video))
        if not candidates:
            continue
        overlaps = _iou(np.array([start, end]), ground[candidates, 1:3])
        # The last of the largest.
        best = len(overlaps) - 1 - overlaps[::-1].argmax()
        action[i], overlap[i] = candidates[best], overlaps[best]
    return _Matched(proposals[:, 3], action, overlap)


def _iou(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Overlap of an interval [2] with others [N 2]; negative where they are apart."""
    shared = np.minimum(one[1], others[:, 1]) - np.maximum(one[0], others[:, 0])
    return shared / (
        np.maximum(one[1], others[:, 1]) - np.minimum(one[0], others[:, 0])
    )


def _f1(matched: _Matched, total: int, theta: float) -> float:
    """Of proposals and the number of true actions; 0 where nothing was found."""
    found = len(np.unique(matched.action[matched.overlap >= theta]))
    # The harmonic mean of found / proposals and found / total.
    return 2 * found / (len(matched.action) + total) if found else 0.0


def _ap(matched: _Matched, total: int, theta: float) -> float:
    r"""Average precision, :math:`\sum_i p_i (r_{i-1} - r_i)`.

    Proposals are taken away one by one, the least confident first; r is the recall of
    those that are left, p the largest precision so far. Both are looked at where a
    proposal that stands for a true action goes.
    """
    count = len(matched.action)
    if not count or not total:
        return 0.0
    matched = matched.only(np.argsort(matched.confidence, kind="stable"))
    hits = np.flatnonzero(matched.overlap >= theta)
    # A true action is lost with the last proposal that stands for it.
    last = len(hits) - 1 - np.unique(matched.action[hits][::-1], return_index=True)[1]
    lost = np.zeros(len(hits))
    lost[last] = 1
    left = len(last) - np.cumsum(lost)
    # Nothing is left of nothing: no precision, and no recall.
    precision = left / np.maximum(count - 1 - hits, 1)
    largest = np.maximum.accumulate([len(last) / count, *precision])[1:]
    return float(np.sum(largest * lost) / total)


def _aps(
    matched: _Matched,
    of_proposals: np.ndarray,
    of_ground: np.ndarray,
    values: Iterable[float],
    theta: float,
) -> np.ndarray:
    """Average precision by label or by video."""
    return np.array(
        [
            _ap(matched.only(of_proposals == value), (of_ground == value).sum(), theta)
            for value in values
        ]
    )


def _suppressed(
    intervals: np.ndarray, scores: np.ndarray, overlap: float
) -> Iterator[int]:
    """The intervals that none of a higher score overlaps by more, the highest first."""
    left = np.argsort(-scores, kind="stable")
    while len(left):
        first, left = left[0], left[1:]
        yield int(first)
        left = left[_iou(intervals[first], intervals[left]) <= overlap]


def _check(intervals: np.ndarray, columns: int, *, classes: int) -> None:
    if intervals.ndim != 2 or intervals.shape[1] != columns:
        raise ValueError(f"an array of shape {intervals.shape}, not [N {columns}]")
    if not np.isfinite(intervals).all():
        raise ValueError("intervals with values that are not finite")
    for label, start, end, *_ in intervals:
        if label not in range(1, classes + 1):
            raise ValueError(f"the label {label:g} is not one of 1 to {classes}")
        if start >= end:
            raise ValueError(f"an interval from frame {start:g} to {end:g} is none")

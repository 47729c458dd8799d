"""Detection metrics of PKU-MMD against a slow oracle, and proposals from windows."""

import numpy as np
import pytest

from data_pipelines.errors import DataError
from data_pipelines.pku_names import window_key
from experiments import detection

K = 4


def random_case(seed, *, proposals=60, ground=25, videos=3):
    """Intervals on a coarse grid, so that overlaps and confidences tie often."""
    rng = np.random.default_rng(seed)

    def intervals(count):
        start = rng.integers(0, 12, count) * 10
        end = start + rng.integers(1, 5, count) * 10
        label, video = rng.integers(1, K + 1, count), rng.integers(0, videos, count)
        return label, start, end, video

    label, start, end, video = intervals(proposals)
    confidence = rng.integers(0, 8, proposals) / 8
    made = np.stack([label, start, end, confidence, video], axis=1).astype(float)
    return made, np.stack(intervals(ground), axis=1).astype(float)


class Oracle:
    """One proposal at a time, as the protocol is told; `last` is the public quirk."""

    def __init__(self, proposals, ground, *, theta, last=False):
        self.proposals = sorted(map(tuple, proposals), key=lambda p: p[3])
        self.ground = [tuple(g) for g in ground]
        self.theta, self.last = theta, last

    def overlap(self, p, g):
        if p[0] != g[0] or p[4] != g[3]:
            return 0.0
        return (min(p[2], g[2]) - max(p[1], g[1])) / (max(p[2], g[2]) - min(p[1], g[1]))

    def stands_for(self, p):
        best = None
        for i, g in enumerate(self.ground):
            if g[0] != p[0] or self.overlap(p, g) < self.theta:
                continue
            rival = -1 if best is None and self.last else best
            if rival is None or self.overlap(p, g) >= self.overlap(
                p, self.ground[rival]
            ):
                best = i
        return best

    def ratios(self, left):
        """Precision and recall of some proposals."""
        found = {self.stands_for(p) for p in left} - {None}
        if not left or not self.ground:
            return 0.0, 0.0
        return len(found) / len(left), len(found) / len(self.ground)

    def f1(self):
        precision, recall = self.ratios(self.proposals)
        both = precision + recall
        return 2 * precision * recall / both if both else 0.0

    def ap(self):
        best, before = self.ratios(self.proposals)
        total = 0.0
        for i, p in enumerate(self.proposals):
            if self.stands_for(p) is None:
                continue
            precision, recall = self.ratios(self.proposals[i + 1 :])
            best = max(best, precision)
            total += best * (before - recall)
            before = recall
        return total


def slow(proposals, ground, *, theta=0.5, last=False):
    """All scores by the oracle."""
    options = {"theta": theta, "last": last}
    pooled = [p for k in range(1, K + 1) for p in proposals if p[0] == k]
    by_label = [g for k in range(1, K + 1) for g in ground if g[0] == k]
    labels = [
        Oracle(
            [p for p in proposals if p[0] == k],
            [g for g in ground if g[0] == k],
            **options,
        ).ap()
        for k in range(1, K + 1)
    ]
    named = {p[4] for p in proposals} | {g[3] for g in ground}
    videos = [
        Oracle(
            [p for p in proposals if p[4] == v],
            [g for g in ground if g[3] == v],
            **options,
        ).ap()
        for v in named
    ]
    thetas = [0.05 * (step + 1) for step in range(20)]
    return {
        "f1": Oracle(pooled, by_label, **options).f1(),
        "ap": Oracle(pooled, by_label, **options).ap(),
        "map_action": np.mean(labels),
        "map_video": np.mean(videos),
        "ap2d": np.mean(
            [Oracle(pooled, by_label, theta=t, last=last).ap() for t in thetas]
        ),
        "ap_per_label": labels,
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("last", [False, True])
def test_scores_are_those_of_the_oracle_with_and_without_its_quirk(seed, last):
    proposals, ground = random_case(seed, proposals=30, ground=16)
    theta = (0.5, 0.3, 1.0)[seed % 3]
    got = detection.evaluate(proposals, ground, classes=K, theta=theta)._asdict()
    want = slow(proposals, ground, theta=theta, last=last)
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-12, err_msg=name)
    assert 0 < got["ap2d"] < 1


def test_perfect_proposals_score_one_in_every_way():
    _, ground = random_case(1)
    ground = np.unique(ground, axis=0)
    scores = detection.evaluate(
        np.insert(ground, 3, np.linspace(0.1, 0.9, len(ground)), axis=1),
        ground,
        classes=K,
    )
    for name, value in scores._asdict().items():
        np.testing.assert_allclose(value, 1.0, rtol=1e-12, err_msg=name)


def test_a_true_action_is_found_once():
    proposals = np.array([[1, 0, 10, 0.9, 0], [1, 0, 10, 0.8, 0], [1, 0, 9, 0.7, 0]])
    scores = detection.evaluate(proposals, np.array([[1, 0, 10, 0]]), classes=1)
    # One of three proposals, one of one action; the most probable alone has it all.
    assert scores.f1 == pytest.approx(2 * (1 / 3) / (1 / 3 + 1))
    assert scores.ap == 1


def test_neither_label_nor_video_may_differ():
    ground = np.array([[1, 0, 10, 0]])
    for label, video in ((2, 0), (1, 1)):
        wrong = np.array([[label, 0, 10, 0.9, video]])
        scores = detection.evaluate(wrong, ground, classes=2)
        assert (scores.f1, scores.ap, scores.map_video) == (0, 0, 0)


def test_labels_and_videos_without_true_actions_count_as_zero():
    ground = np.array([[1, 0, 10, 0]])
    proposals = np.array([[1, 0, 10, 0.9, 0], [1, 0, 10, 0.5, 7]])
    scores = detection.evaluate(proposals, ground, classes=4)
    # Of label 1 half is right before the right one goes; precision is not looked at in
    # between, where the wrong one is gone.
    assert scores.ap_per_label.tolist() == [0.5, 0, 0, 0]
    assert scores.map_action == 0.125
    assert scores.map_video == (1 + 0) / 2


@pytest.mark.parametrize(("proposals", "ground"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_proposed_and_nothing_to_find_score_zero(proposals, ground):
    made, true = random_case(3)
    scores = detection.evaluate(made[:proposals], true[:ground], classes=K)
    assert not any(np.any(value) for value in scores)


def test_51_classes_are_usual():
    ground = np.array([[51, 0, 10, 0]])
    scores = detection.evaluate(np.array([[51, 0, 10, 0.9, 0]]), ground)
    assert scores.map_action == pytest.approx(1 / 51)
    assert scores.ap_per_label.shape == (51,)


@pytest.mark.parametrize(
    ("proposal", "action", "options", "message"),
    [
        ([0, 0, 10, 0.9, 0], [1, 0, 10, 0], {}, "label 0 is not one of 1 to 51"),
        ([1, 0, 10, 0.9, 0], [52, 0, 10, 0], {}, "label 52 is not one of 1 to 51"),
        ([1.5, 0, 10, 0.9, 0], [1, 0, 10, 0], {}, "label 1.5 is not one"),
        ([1, 10, 10, 0.9, 0], [1, 0, 10, 0], {}, "from frame 10 to 10 is none"),
        ([1, 0, 10, np.nan, 0], [1, 0, 10, 0], {}, "values that are not finite"),
        ([1, 0, 10, 0], [1, 0, 10, 0], {}, r"shape \(1, 4\), not \[N 5\]"),
        ([1, 0, 10, 0.9, 0], [1, 0, 10, 0, 0], {}, r"shape \(1, 5\), not \[N 4\]"),
        ([1, 0, 10, 0.9, 0], [1, 0, 10, 0], {"theta": 0}, "theta is 0"),
        ([1, 0, 10, 0.9, 0], [1, 0, 10, 0], {"theta": 1.1}, "theta is 1.1"),
    ],
)
def test_what_cannot_be_measured_is_refused(proposal, action, options, message):
    with pytest.raises(ValueError, match=message):
        detection.evaluate(np.array([proposal]), np.array([action]), **options)


def keys_of(*windows, video="0002-M"):
    return [window_key(video, start, stop) for start, stop in windows]


def test_of_windows_that_overlap_the_most_probable_is_proposed():
    keys = keys_of((0, 64), (32, 96), (64, 128), (200, 264))
    probabilities = np.array([[0.6, 0.1], [0.8, 0.2], [0.7, 0.3], [0.5, 0.9]])
    got = detection.proposals_from_windows(
        keys, probabilities, threshold=0.5, overlap=0.3
    )
    # Windows half of which overlap have an IoU of 1/3; 0002-M is number 2 * 3 + 1.
    assert got.tolist() == [
        [1, 32, 96, 0.8, 7],
        [1, 200, 264, 0.5, 7],
        [2, 200, 264, 0.9, 7],
    ]
    more = detection.proposals_from_windows(
        keys, probabilities, threshold=0.5, overlap=0.34
    )
    assert more[more[:, 0] == 1][:, 1].tolist() == [32, 64, 0, 200]


def test_windows_of_other_videos_and_classes_do_not_suppress():
    keys = keys_of((0, 64)) + keys_of((0, 64), video="0002-R")
    got = detection.proposals_from_windows(
        keys, np.full((2, 2), 0.9), threshold=0.0, overlap=0.0
    )
    assert got.tolist() == [
        [label, 0, 64, 0.9, video] for video in (7, 8) for label in (1, 2)
    ]


def test_suppression_leaves_what_no_stronger_window_overlaps():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 300, 40)
    windows = [(int(s), int(s + n)) for s, n in zip(starts, rng.integers(20, 90, 40))]
    scores = rng.permutation(40)[:, None] / 40
    kept = detection.proposals_from_windows(
        keys_of(*windows), scores, threshold=0.2, overlap=0.4
    )

    def iou(a, b):
        return (min(a[1], b[1]) - max(a[0], b[0])) / (max(a[1], b[1]) - min(a[0], b[0]))

    expected = []
    for score, window in sorted(zip(scores[:, 0], windows), reverse=True):
        if score >= 0.2 and all(iou(window, other) <= 0.4 for other in expected):
            expected.append(window)
    assert [(int(p[1]), int(p[2])) for p in kept] == expected
    assert 0 < len(expected) < 32


def test_nothing_above_the_threshold_proposes_nothing():
    got = detection.proposals_from_windows(
        keys_of((0, 64)), np.zeros((1, 51)), threshold=0.1, overlap=0.5
    )
    assert got.shape == (0, 5)
    assert detection.evaluate(got, np.array([[1, 0, 10, 0]])).ap == 0


def test_perfect_windows_are_perfect_proposals():
    windows = [(0, 64), (64, 128), (128, 192)]
    probabilities = np.eye(51)[[3, 8, 3]]
    made = detection.proposals_from_windows(
        keys_of(*windows), probabilities, threshold=0.5, overlap=0.5
    )
    ground = np.array(
        [[label, *window, 7] for label, window in zip((4, 9, 4), windows)]
    )
    assert detection.evaluate(made, ground).map_video == 1


@pytest.mark.parametrize(
    ("probabilities", "options", "message"),
    [
        (np.ones((2, 3)), {}, r"probabilities of shape \(2, 3\) for 1 windows"),
        (np.ones(3), {}, r"probabilities of shape \(3,\) for 1 windows"),
        (np.full((1, 3), 1.5), {}, "probabilities are not all in 0..1"),
        (np.full((1, 3), np.nan), {}, "probabilities are not all in 0..1"),
        (np.ones((1, 3)), {"threshold": 2}, "threshold 2 and overlap 0.5"),
        (np.ones((1, 3)), {"overlap": -1}, "threshold 0.5 and overlap -1"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(probabilities, options, message):
    options = {"threshold": 0.5, "overlap": 0.5, **options}
    with pytest.raises(ValueError, match=message):
        detection.proposals_from_windows(keys_of((0, 64)), probabilities, **options)


def test_a_key_that_is_no_window_is_named():
    with pytest.raises(DataError, match="0002-M_i05: not the key of a window"):
        detection.proposals_from_windows(
            ["0002-M_i05"], np.ones((1, 2)), threshold=0.5, overlap=0.5
        )

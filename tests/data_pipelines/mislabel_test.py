"""Wrong labels: how many, which, and who keeps the right ones."""

import collections
import pickle

import numpy as np
import pytest

from data_pipelines.dataset import Dataset, rows, subset
from data_pipelines.errors import DataError
from data_pipelines.mislabel import mislabel

CLASSES = ("wave", "clap", "knock", "kick")


class Source:
    """Two recordings of each performance, by cameras 1 and 2."""

    def __init__(self, performances):
        self.performances = performances

    def __len__(self):
        return 2 * self.performances

    def __getitem__(self, index):
        number, camera = divmod(range(len(self))[index], 2)
        label, key = number % len(CLASSES), f"p{number}_c{camera + 1}"
        return {"key": key, "label": label, "subject": number % 5, "x": np.ones(3)}


def shown(key):
    return key.partition("_")[0]


def made(share, *, seed=0, performances=1000, train=None):
    whole = Dataset(
        *("made", CLASSES),
        {"train": train or Source(performances), "test": Source(8)},
        *("coco", ("x",)),
    )
    return mislabel(whole, share, seed=seed, shown=shown)


def labels(source):
    return [row.label for row in rows(source)]


def test_the_share_of_wrong_labels_and_their_classes_are_those_asked_for():
    right, given = labels(Source(1000)), labels(made(0.3).splits["train"])
    by = collections.Counter((b - a) % len(CLASSES) for a, b in zip(right, given))
    # Binomial: 300 performances of a thousand, 100 of each other class, two recordings.
    assert by[0] == pytest.approx(1400, abs=2 * 4 * 14.5)
    assert [by[n] for n in (1, 2, 3)] == pytest.approx([200] * 3, abs=2 * 4 * 9.5)


def test_recordings_of_one_performance_are_right_or_wrong_together():
    given = labels(made(0.5).splits["train"])
    assert given[::2] == given[1::2]


def test_examples_and_rows_agree_and_nothing_else_changes():
    train, source = made(0.5, performances=20).splits["train"], Source(20)
    again = pickle.loads(pickle.dumps(train))
    for index, row in enumerate(rows(train)):
        example, before = again[index], source[index]
        assert example["label"] == row.label
        assert {**example, "label": before["label"]}.keys() == before.keys()
        assert (example["key"], example["subject"]) == (row.key, row.subject)
        assert example["x"] is not None and (example["x"] == before["x"]).all()
    assert len(train) == 40


def test_the_other_splits_keep_the_right_labels():
    assert labels(made(0.9).splits["test"]) == labels(Source(8))


def test_without_wrong_labels_the_data_set_is_what_it_was():
    train = Source(4)
    assert made(0.0, train=train).splits["train"] is train


def test_fewer_examples_change_nobodys_label():
    kept = subset(Source(1000), lambda row: row.subject == 2)
    every = {row.key: row.label for row in rows(made(0.3).splits["train"])}
    few = {row.key: row.label for row in rows(made(0.3, train=kept).splits["train"])}
    assert few and few.items() <= every.items()


def test_a_larger_share_is_wrong_of_the_same_and_of_more():
    right = labels(Source(1000))
    few, many = (labels(made(share).splits["train"]) for share in (0.1, 0.4))
    assert all(b in (a, c) for a, b, c in zip(right, few, many))
    assert few != many


def test_another_seed_is_wrong_of_others():
    assert labels(made(0.3).splits["train"]) != labels(
        made(0.3, seed=1).splits["train"]
    )


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(DataError, match="made: .* of the labels cannot be wrong"):
        made(share)


def test_of_one_class_no_label_can_be_wrong():
    one = Dataset("made", ("wave",), {"train": Source(1)}, "coco", ("x",))
    with pytest.raises(DataError, match="of one class"):
        mislabel(one, 0.1, seed=0)

"""Splits: subsets, held-out subjects, and what is refused."""

import numpy as np
import pytest

from data_pipelines.dataset import (
    Dataset,
    Row,
    Subset,
    check,
    hold_out,
    keep_training,
    label_of,
    rows,
    subset,
)
from data_pipelines.errors import DataError


class Examples:
    """Examples of given rows, without the attribute that saves reading them."""

    def __init__(self, *chosen):
        self.chosen = chosen

    def __len__(self):
        return len(self.chosen)

    def __getitem__(self, index):
        return self.chosen[index]._asdict()


def dataset(train, test):
    splits = {"train": Examples(*train), "test": Examples(*test)}
    return Dataset("tiny", ("a", "b"), splits, "kinect_v1", ("inertial",))


TRAIN = [Row("x", 0, 1), Row("y", 1, 3), Row("z", 0, 3)]
TEST = [Row("t", 1, 2)]


def test_a_subset_keeps_the_order_and_knows_its_rows():
    part = subset(Examples(*TRAIN), lambda row: row.subject == 3)
    assert [part[i]["key"] for i in range(len(part))] == ["y", "z"]
    assert rows(part) == TRAIN[1:]
    assert Subset(part, (1,))[0]["key"] == "z"


def test_held_out_subjects_move_from_training_to_validation():
    splits = hold_out(dataset(TRAIN, TEST), (3,)).splits
    assert {k: [r.key for r in rows(s)] for k, s in splits.items()} == {
        "train": ["x"],
        "val": ["y", "z"],
        "test": ["t"],
    }


def test_holding_out_nobody_changes_nothing():
    whole = dataset(TRAIN, TEST)
    assert hold_out(whole, ()) is whole


def test_a_test_subject_cannot_be_held_out():
    with pytest.raises(DataError, match=r"subject 2.*training subjects are \[1, 3\]"):
        hold_out(dataset(TRAIN, TEST), (2,))


def test_some_subjects_are_learnt_from_and_the_tests_stay():
    whole = dataset(TRAIN, TEST)
    splits = keep_training(whole, (3,)).splits
    assert {k: [r.key for r in rows(s)] for k, s in splits.items()} == {
        "train": ["y", "z"],
        "test": ["t"],
    }
    assert keep_training(whole, ()) is whole
    with pytest.raises(DataError, match=r"cannot learn from subject 2, the training"):
        keep_training(whole, (1, 2))


def test_a_sound_data_set_passes():
    whole = dataset(TRAIN, TEST)
    assert check(whole) is whole


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([], TEST, "the split 'train' is empty"),
        (TRAIN, [Row("t", 2, 2)], "t has label 2, there are 2 classes"),
        (TRAIN, [Row("t", -1, 2)], "t has label -1"),
        (TRAIN, [Row("t", (0, 2), 2)], r"t has label \(0, 2\), there are 2 classes"),
        (TRAIN, [Row("t", (-1, 0), 2)], r"t has label \(-1, 0\)"),
        (TRAIN, [Row("t", (), 2)], r"t has label \(\)"),
        (
            TRAIN,
            [Row("x", 0, 2)],
            "'x' occurs twice, in the split 'train' and in 'test'",
        ),
        ([*TRAIN, TRAIN[0]], TEST, "'x' occurs twice"),
        (TRAIN, [Row("t", 0, 3)], "subject 3 is in the splits train and test"),
    ],
)
def test_a_fault_is_named(train, test, message):
    with pytest.raises(DataError, match=message):
        check(dataset(train, test))


def test_subjects_may_be_shared_where_the_protocol_says_so():
    shared = dataset(TRAIN, [Row("t", 0, 3)])
    assert check(shared, disjoint=False) is shared


def test_an_example_may_have_several_labels():
    several = [Row("x", (0, 1), 1), Row("y", (1,), 1)]
    whole = dataset(several, TEST)
    assert check(whole) is whole
    assert rows(whole.splits["train"]) == several


@pytest.mark.parametrize(
    ("value", "label"), [(np.int32(3), 3), ([0, 2], (0, 2)), ((1,), (1,)), ([], ())]
)
def test_labels_are_numbers_or_tuples_of_numbers(value, label):
    assert label_of(value) == label and type(label_of(value)) is type(label)

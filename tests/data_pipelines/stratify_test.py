"""Stratified splits: those of the package of that name, and what they promise."""

import numpy as np
import pytest

from data_pipelines import stratify
from data_pipelines.errors import DataError


def test_it_is_the_split_of_the_public_package():
    # IterativeStratification of iterative-stratification 0.1.9, r = [0.7, 0.3] and
    # RandomState(3), on these labels: the side of each example.
    labels = (np.random.default_rng(1).random((24, 5)) < 0.3).astype(int)
    test = {6, 8, 10, 13, 15, 16, 21}
    got = stratify.split(labels, share=0.7, seed=3)
    assert got == [i not in test for i in range(24)]


@pytest.mark.parametrize("seed", range(4))
def test_every_class_is_split_by_the_share(seed):
    labels = np.random.default_rng(seed).random((200, 16)) < 0.15
    train = np.array(stratify.split(labels, share=0.7, seed=seed))
    assert abs(train.sum() - 140) <= 3
    np.testing.assert_allclose(labels[train].sum(0), 0.7 * labels.sum(0), atol=4)


def test_a_seed_gives_one_split_and_another_another():
    labels = np.eye(4)[np.arange(40) % 4]
    one, again, other = (stratify.split(labels, share=0.5, seed=s) for s in (1, 1, 2))
    assert one == again != other


def test_examples_without_a_class_are_shared_out_too():
    assert sum(stratify.split(np.zeros((10, 3)), share=0.7)) == 7


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    with pytest.raises(DataError, match="is not between 0 and 1"):
        stratify.split(np.ones((4, 2)), share=share)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from kdjax import metrics
from tests import reference
from tests.losses.properties import unchecked_types

CLASSES, COUNT = 6, 60


def data(seed=0, absent=None):
    """Scores, labels and a mask; on request a class that is never present."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, CLASSES, COUNT)
    if absent is not None:
        label[label == absent] = (absent + 1) % CLASSES
    logits = rng.standard_normal((COUNT, CLASSES)) + 2.0 * np.eye(CLASSES)[label]
    mask = (rng.random(COUNT) < 0.8).astype(np.float32)
    return jnp.asarray(logits, jnp.float32), jnp.asarray(label, jnp.int32), mask


def real(logits, label, mask):
    """True and predicted classes of the real examples, for scikit-learn."""
    keep = mask > 0
    return np.asarray(label)[keep], np.asarray(logits).argmax(axis=1)[keep]


def test_accuracy_is_that_of_scikit_learn():
    logits, label, mask = data()
    hits, count = metrics.accuracy(logits, label, mask=jnp.asarray(mask))
    want = sklearn_metrics.accuracy_score(*real(logits, label, mask))
    assert count == mask.sum()
    np.testing.assert_allclose(hits / count, want, rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_that_of_scikit_learn(k):
    logits, label, mask = data(1)
    hits, count = metrics.top_k_accuracy(logits, label, k=k, mask=jnp.asarray(mask))
    keep = mask > 0
    want = sklearn_metrics.top_k_accuracy_score(
        np.asarray(label)[keep],
        np.asarray(logits)[keep],
        k=k,
        labels=range(CLASSES),
        normalize=False,
    )
    assert hits == want
    assert count == keep.sum()


def test_top_one_is_accuracy_and_top_all_is_everything():
    logits, label, _ = data(2)
    assert metrics.top_k_accuracy(logits, label, k=1) == metrics.accuracy(logits, label)
    assert metrics.top_k_accuracy(logits, label, k=CLASSES) == (COUNT, COUNT)


def test_confusion_matrix_is_that_of_scikit_learn_and_of_the_loop():
    logits, label, mask = data(3)
    got = metrics.confusion_matrix(logits, label, mask=jnp.asarray(mask))
    truth, guess = real(logits, label, mask)
    want = sklearn_metrics.confusion_matrix(truth, guess, labels=range(CLASSES))
    np.testing.assert_array_equal(got, want)
    loop = reference.confusion_matrix(np.asarray(logits), np.asarray(label), mask)
    np.testing.assert_array_equal(got, loop)
    assert got.dtype == jnp.int32


@pytest.mark.parametrize("absent", [None, 2])
def test_scores_by_class_are_those_of_scikit_learn(absent):
    logits, label, mask = data(4, absent)
    confusion = metrics.confusion_matrix(logits, label, mask=jnp.asarray(mask))
    truth, guess = real(logits, label, mask)
    want = sklearn_metrics.precision_recall_fscore_support(
        truth, guess, labels=range(CLASSES), zero_division=0
    )
    got = metrics.class_scores(confusion)
    np.testing.assert_allclose(np.stack(got), np.stack(want[:3]), rtol=1e-6)
    np.testing.assert_allclose(metrics.macro_f1(confusion), want[2].mean(), rtol=1e-6)
    balanced = np.mean([recall for recall, n in zip(want[1], want[3]) if n])
    got = metrics.mean_class_accuracy(confusion)
    np.testing.assert_allclose(got, balanced, rtol=1e-6)


def test_mean_class_accuracy_is_the_balanced_accuracy_of_scikit_learn():
    logits, label, _ = data(5)
    want = sklearn_metrics.balanced_accuracy_score(*real(logits, label, np.ones(COUNT)))
    got = metrics.mean_class_accuracy(metrics.confusion_matrix(logits, label))
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_a_class_neither_present_nor_predicted_counts_as_zero():
    # Two classes perfect, one absent: 2/3, where scikit-learn's default would drop it.
    confusion = jnp.diag(jnp.array([4, 3, 0]))
    np.testing.assert_allclose(metrics.macro_f1(confusion), 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(metrics.mean_class_accuracy(confusion), 1.0, rtol=1e-6)


def test_sums_over_batches_are_those_of_the_whole():
    logits, label, mask = data(6)
    mask = jnp.asarray(mask)
    parts = [slice(0, 25), slice(25, COUNT)]
    for metric in (metrics.accuracy, metrics.confusion_matrix):
        whole = metric(logits, label, mask=mask)
        halves = [metric(logits[p], label[p], mask=mask[p]) for p in parts]
        summed = jax.tree.map(jnp.add, *halves)
        for got, want in zip(jax.tree.leaves(summed), jax.tree.leaves(whole)):
            np.testing.assert_array_equal(got, want)


def test_nothing_counted_is_finite():
    logits, label, _ = data(7)
    none = jnp.zeros(COUNT)
    assert metrics.accuracy(logits, label, mask=none) == (0.0, 0.0)
    confusion = metrics.confusion_matrix(logits, label, mask=none)
    assert not np.any(confusion)
    assert metrics.macro_f1(confusion) == 0.0
    assert metrics.mean_class_accuracy(confusion) == 0.0


def test_metrics_run_under_jit_vmap_and_any_leading_axes():
    logits, label, _ = data(8)
    grid, labels = logits.reshape(3, 20, CLASSES), label.reshape(3, 20)
    for metric in (
        metrics.accuracy,
        metrics.confusion_matrix,
        lambda z, y: metrics.top_k_accuracy(z, y, k=3),
        lambda z, y: metrics.macro_f1(metrics.confusion_matrix(z, y)),
    ):
        want = jax.tree.leaves(metric(logits, label))
        jitted = jax.tree.leaves(jax.jit(metric)(grid, labels))
        for got, expected in zip(jitted, want):
            np.testing.assert_allclose(got, expected, rtol=1e-6)
        mapped = jax.tree.leaves(jax.vmap(metric)(grid, labels))
        for got, expected in zip(mapped, jax.tree.leaves(metric(grid[1], labels[1]))):
            np.testing.assert_allclose(got[1], expected, rtol=1e-6)


def test_small_labels_do_not_overflow():
    label = jnp.full((4,), 100, jnp.int8)
    logits = jnp.zeros((4, 120)).at[:, 119].set(1.0)
    assert metrics.confusion_matrix(logits, label)[100, 119] == 4


def test_wrong_shapes_are_named():
    logits, label, _ = data(9)
    with unchecked_types():
        for metric in (metrics.accuracy, metrics.confusion_matrix):
            with pytest.raises(ValueError, match=r"labels \(5,\)"):
                metric(logits, label[:5])
            with pytest.raises(ValueError, match=r"the mask \(5,\)"):
                metric(logits, label, mask=jnp.ones(5))


def test_bad_input_is_refused():
    logits, label, _ = data(9)
    for k in (0, 7):
        with pytest.raises(ValueError, match=f"k is {k} where there are 6 classes"):
            metrics.top_k_accuracy(logits, label, k=k)


def test_average_precision_is_scikit_learns_where_no_scores_are_equal():
    rng = np.random.default_rng(5)
    scores, truth = rng.permuted(np.arange(300.0)).reshape(60, 5), rng.random((60, 5))
    truth = (truth < [0.1, 0.3, 0.5, 0.9, 0.0]).astype(int)
    got = metrics.average_precision(jnp.asarray(scores), jnp.asarray(truth))
    want = [
        sklearn_metrics.average_precision_score(*pair)
        for pair in zip(truth.T, scores.T)
        if pair[0].any()
    ]
    np.testing.assert_allclose(got[:4], want, rtol=1e-6)
    assert got[4] == -1
    mean = metrics.mean_average_precision(jnp.asarray(scores), jnp.asarray(truth))
    np.testing.assert_allclose(mean, np.mean(want), rtol=1e-6)


def test_of_equal_scores_the_first_example_ranks_first():
    scores, truth = jnp.zeros((4, 1)), jnp.array([[1], [0], [1], [0]])
    np.testing.assert_allclose(
        metrics.average_precision(scores, truth), (1 + 2 / 3) / 2
    )


def test_without_a_positive_the_mean_is_zero_and_shapes_must_agree():
    empty = metrics.mean_average_precision(jnp.zeros((3, 2)), jnp.zeros((3, 2)))
    assert empty == 0
    with pytest.raises(ValueError, match="scores have shape"), unchecked_types():
        metrics.average_precision(jnp.zeros((3, 2)), jnp.zeros((3, 1)))


def test_a_mean_over_samples_is_scikit_learns_of_those_that_show_a_class():
    rng = np.random.default_rng(6)
    scores, truth = rng.permuted(np.arange(120.0)).reshape(20, 6), rng.random((20, 6))
    truth = (truth < 0.3).astype(int)
    shown = truth.any(axis=1)
    assert not shown.all()
    want = sklearn_metrics.average_precision_score(
        truth[shown], scores[shown], average="samples"
    )
    scores, truth = jnp.asarray(scores), jnp.asarray(truth)
    got = metrics.mean_average_precision(scores, truth, average="samples")
    np.testing.assert_allclose(got, want, rtol=1e-6)
    with pytest.raises(ValueError, match="average must be one of macro, samples"):
        metrics.mean_average_precision(scores, truth, average="micro")

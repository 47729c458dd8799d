"""Metrics of classification, as sums that accumulate over batches.

A ratio comes as ``(sum, count)``: add both over batches and processes, divide once. A
confusion matrix adds up the same way, and what needs the whole data set (macro F1) is
computed from it. ``mask`` is 1 for a real example and 0 for padding.
"""

import jax
import jax.numpy as jnp

from kdjax.typing import Array, Bool, Float, Int, Shaped

AVERAGES = ("macro", "samples")
"""What a mean average precision is a mean over: classes, or examples."""


def accuracy(
    logits: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    mask: Float[Array, "*B"] | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Number of examples whose highest score is the label's, and of all examples.

    Args:
      logits: scores; of equal ones the first counts.
      label: class indices.
      mask: weights of the examples.

    Returns:
      ``(sum, count)``.

    Raises:
      ValueError: where the shapes disagree.
    """
    _check(logits, label, mask)
    return _weighted(jnp.argmax(logits, axis=-1) == label, mask)


def top_k_accuracy(
    logits: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    k: int,
    mask: Float[Array, "*B"] | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Number of examples whose label is among the k highest scores, and of all.

    Args:
      logits: scores; of equal ones the lower class comes first.
      label: class indices.
      k: from 1 to the number of classes.
      mask: weights of the examples.

    Returns:
      ``(sum, count)``.

    Raises:
      ValueError: where the shapes disagree or ``k`` is out of range.
    """
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"k is {k} where there are {logits.shape[-1]} classes")
    _check(logits, label, mask)
    best = jax.lax.top_k(logits, k)[1]
    return _weighted((best == label[..., None]).any(axis=-1), mask)


def confusion_matrix(
    logits: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    mask: Float[Array, "*B"] | None = None,
) -> Int[Array, "K K"]:
    """Counts of examples by true class (row) and predicted class (column).

    Args:
      logits: scores; of equal ones the first counts.
      label: class indices.
      mask: an example counts where it is above zero.

    Returns:
      Integer counts, exact and additive over batches.

    Raises:
      ValueError: where the shapes disagree.
    """
    _check(logits, label, mask)
    classes = logits.shape[-1]
    real = jnp.ones(label.shape, bool) if mask is None else mask > 0
    guess = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    cell = label.astype(jnp.int32) * classes + guess
    counts = jnp.bincount(
        cell.reshape(-1), real.reshape(-1).astype(jnp.int32), length=classes**2
    )
    return counts.reshape(classes, classes)


def class_scores(
    confusion: Shaped[Array, "K K"],
) -> tuple[Float[Array, "K"], Float[Array, "K"], Float[Array, "K"]]:
    r"""Precision, recall and F1 of every class.

    .. math:: F_1 = \frac{2 p r}{p + r + 10^{-15}}

    Args:
      confusion: counts by true class (row) and predicted class (column).

    Returns:
      ``(precision, recall, f1)``; a class never predicted has precision zero, one that
      is absent has recall zero.
    """
    counts = jnp.asarray(confusion, dtype=float)
    hits = jnp.diagonal(counts)
    # The guards are those of the public code; they only matter where 0 is divided by 0.
    precision = hits / (counts.sum(axis=0) + 2.2e-16)
    recall = hits / (counts.sum(axis=1) + 2.2e-16)
    return precision, recall, 2 * precision * recall / (precision + recall + 1e-15)


def macro_f1(confusion: Shaped[Array, "K K"]) -> Float[Array, ""]:
    """F1 averaged over all classes, those neither present nor predicted counting 0.

    Args:
      confusion: counts of the whole data set.

    Returns:
      A number in [0, 1].
    """
    return class_scores(confusion)[2].mean()


def mean_class_accuracy(confusion: Shaped[Array, "K K"]) -> Float[Array, ""]:
    """Recall averaged over the classes that are present.

    Args:
      confusion: counts of the whole data set.

    Returns:
      A number in [0, 1]; zero where nothing was counted.
    """
    present = (jnp.asarray(confusion).sum(axis=1) > 0).astype(float)
    recall = class_scores(confusion)[1]
    return (recall * present).sum() / jnp.maximum(present.sum(), 1.0)


def average_precision(
    scores: Float[Array, "N K"], positive: Shaped[Array, "N K"]
) -> Float[Array, "K"]:
    r"""Average precision of every class over a whole data set.

    .. math:: AP = \frac{1}{P} \sum_{i:\, y_i = 1} \frac{|\{j \le i : y_j = 1\}|}{i}

    with the examples in falling order of their scores, of equal ones the first one
    first. The public codes of multi-label recognition compute the same.

    Args:
      scores: higher where the class is more likely.
      positive: 1 where the class is present.

    Returns:
      A number in [0, 1] by class, -1 where no example has it.

    Raises:
      ValueError: where the shapes disagree.
    """
    if scores.shape != positive.shape:
        raise ValueError(f"scores have shape {scores.shape}, truth {positive.shape}")
    order = jnp.argsort(-scores, axis=0, stable=True)
    hits = jnp.take_along_axis(positive.astype(float), order, axis=0)
    rank = jnp.arange(1, len(scores) + 1, dtype=float)[:, None]
    total = hits.sum(axis=0)
    found = (hits * jnp.cumsum(hits, axis=0) / rank).sum(axis=0)
    return jnp.where(total > 0, found / jnp.maximum(total, 1.0), -1.0)


def mean_average_precision(
    scores: Float[Array, "N K"],
    positive: Shaped[Array, "N K"],
    *,
    average: str = "macro",
) -> Float[Array, ""]:
    """Average precision, averaged over classes or over examples.

    Args:
      scores: see `average_precision`.
      positive: the same.
      average: ``macro`` ranks the examples of every class and averages over the classes
        that are present; ``samples`` ranks the classes of every example and averages
        over the examples that show any.

    Returns:
      A number in [0, 1]; zero where no class is present.

    Raises:
      ValueError: where the shapes disagree or the average is unknown.
    """
    if average not in AVERAGES:
        raise ValueError(f"average must be one of {', '.join(AVERAGES)}, not {average}")
    if average == "samples":
        scores, positive = scores.T, positive.T
    each = average_precision(scores, positive)
    present = (each >= 0).astype(float)
    return (each * present).sum() / jnp.maximum(present.sum(), 1.0)


def _weighted(
    hit: Bool[Array, "*B"], mask: Float[Array, "*B"] | None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Sum of the weights of the hits, and of all weights."""
    weight = jnp.ones(hit.shape) if mask is None else mask
    weight = weight.astype(jnp.float32)
    return jnp.sum(hit.astype(jnp.float32) * weight), jnp.sum(weight)


def _check(logits: Array, label: Array, mask: Array | None) -> None:
    """Raises ValueError where the shapes disagree, instead of broadcasting."""
    if label.shape != logits.shape[:-1]:
        raise ValueError(f"logits have shape {logits.shape}, labels {label.shape}")
    if mask is not None and mask.shape != label.shape:
        raise ValueError(f"labels have shape {label.shape}, the mask {mask.shape}")

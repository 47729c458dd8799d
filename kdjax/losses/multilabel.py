"""Losses of recordings that show several actions, at once or one after another."""

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    as_float32,
    check_groups,
    check_positive,
    check_shapes,
    constant,
    divide,
)
from kdjax.losses.classification import soft_cross_entropy
from kdjax.typing import Array, Bool, Float, Shaped

MARGIN = -100.0
"""What the public code adds to a logit that is on the other side."""

NOWHERE = -1e30
"""What stands for a logit of padding: its exponential is zero beside any other."""

EPSILON = 1e-7
"""Guard of powers and counts in the public code of action selection."""


def two_way(
    x: Float[Array, "S K"],
    y: Shaped[Array, "S K"],
    *,
    positive_temperature: float = 4.0,
    negative_temperature: float = 1.0,
    groups: int = 1,
    mask: Float[Array, "S"] | None = None,
) -> Float[Array, ""]:
    r"""Two-way multi-label loss: positives above negatives, by class and by sample.

    .. math:: \frac{1}{|K_+|} \sum_{c \in K_+} \ell(x_{:,c}, y_{:,c})
      + \frac{1}{|S_+|} \sum_{s \in S_+} \ell(x_{s,:}, y_{s,:})

    .. math:: \ell(x, y) = \mathrm{softplus}\Bigl(
      T_n \log \sum_i e^{x_i / T_n + n_i} + T_p \log \sum_i e^{-x_i / T_p + p_i} \Bigr)

    with :math:`p = 0` on positives and -100 elsewhere, :math:`n` the other way round,
    and :math:`K_+`, :math:`S_+` the classes and samples that have a positive. Where
    there is none at all the loss is zero; the public code divides zero by zero.

    It couples the batch: samples compete within a class, a sample without a positive
    as well. Under ``jit`` over a mesh it sees the global batch, under ``pmap`` and
    ``shard_map`` the device's shard. Frames are samples as well: ``[B T K]`` comes as
    ``[B T, K]``.

    Args:
      x: logits of S samples.
      y: 1 where the class is present, else 0; a constant.
      positive_temperature: :math:`T_p > 0`.
      negative_temperature: :math:`T_n > 0`.
      groups: parts of consecutive samples that the batch is cut into, each with a loss
        of its own, of which the mean is taken: as many as devices would compute the
        loss by shard. One is the global batch.
      mask: 1 for a real sample, 0 for padding, which competes nowhere.

    Returns:
      One value for the batch.

    Raises:
      ValueError: where the shapes disagree, a temperature is not positive, or the batch
        does not divide by the groups.

    References:
      Kobayashi, *Two-way Multi-Label Loss*, CVPR 2023;
      https://github.com/tk1980/TwowayMultiLabelLoss, ``utils/criterion.py``.
    """
    check_shapes("y", y.shape, "x", x.shape)
    check_positive("positive_temperature", positive_temperature)
    check_positive("negative_temperature", negative_temperature)
    check_groups(len(x), groups)
    real = jnp.ones(len(x), bool)
    if mask is not None:
        check_shapes("mask", mask.shape, "x", x.shape[:1])
        real = mask > 0

    def of_group(x, y, real):
        here = jnp.broadcast_to(real[:, None], x.shape)
        positive = (y > 0) & here
        pull = jnp.where(positive, 0.0, MARGIN) - x / positive_temperature
        push = jnp.where(positive, MARGIN, 0.0) + x / negative_temperature
        pull, push = (jnp.where(here, side, NOWHERE) for side in (pull, push))
        return sum(
            _one_way(
                positive_temperature * jax.nn.logsumexp(pull, axis=axis)
                + negative_temperature * jax.nn.logsumexp(push, axis=axis),
                positive.any(axis=axis),
            )
            for axis in (0, 1)
        )

    parts = (part.reshape(groups, -1, *part.shape[1:]) for part in (x, y, real))
    x, y, real = parts
    return jnp.mean(jax.vmap(of_group)(*as_float32(x), y, real))


def _one_way(gap: Float[Array, "N"], kept: Bool[Array, "N"]) -> Float[Array, ""]:
    """The mean over the classes, or the samples, that have a positive."""
    kept = kept.astype(jnp.float32)
    return divide(jnp.sum(kept * jax.nn.softplus(gap)), jnp.sum(kept))


def generalised_cross_entropy(
    p: Float[Array, "*B T"],
    y: Float[Array, "*B T"],
    *,
    q: float = 0.7,
    mask: Float[Array, "*B T"] | None = None,
) -> Float[Array, "*B"]:
    r"""Cross-entropy of frames that bears with wrong labels, of both sides alike.

    .. math:: \frac{\sum_t y_t \, h(p_t)}{\sum_t y_t}
      + \frac{\sum_t (1 - y_t) \, h(1 - p_t)}{\sum_t (1 - y_t)}, \qquad
      h(p) = \frac{1 - p^q}{q}

    As in the public code :math:`10^{-7}` is added to the base of the power and to both
    counts; a side that has no frame is zero.

    Args:
      p: probability that something happens in a frame; beyond [0, 1] it is clipped.
      y: 1 where something is taken to happen, else 0; a constant.
      q: in (0, 1]; towards 0 it is cross-entropy, at 1 the absolute error.
      mask: 1 for a real frame, 0 for padding.

    Returns:
      One value per example, in [0, 2 / q].

    Raises:
      ValueError: where the shapes disagree or ``q`` is out of range.

    References:
      Zhang and Sabuncu, *Generalized Cross Entropy Loss for Training Deep Neural
      Networks with Noisy Labels*, NeurIPS 2018, arXiv:1805.07836. Ma, Gorti, Volkovs
      and Yu, *Weakly Supervised Action Selection Learning in Video*, CVPR 2021,
      arXiv:2105.02439.
    """
    check_shapes("y", y.shape, "p", p.shape)
    if not 0.0 < q <= 1.0:
        raise ValueError(f"q must be in (0, 1], not {q}")
    (p,), y = as_float32(p), constant(y)
    real = jnp.ones_like(y)
    if mask is not None:
        check_shapes("mask", mask.shape, "p", p.shape)
        real = constant(mask)
    p = jnp.clip(p, 0.0, 1.0)

    def side(p, weight):
        each = (1.0 - (p + EPSILON) ** q) / q
        return jnp.sum(weight * each, axis=-1) / (jnp.sum(weight, axis=-1) + EPSILON)

    return side(p, real * y) + side(1.0 - p, real * (1.0 - y))


def human_cross_entropy(
    logits: Float[Array, "*B T"],
    confidence: Float[Array, "*B T"],
    *,
    mask: Float[Array, "*B T"] | None = None,
) -> Float[Array, "*B"]:
    r"""Draws a view's attention over time to the frames that show a person.

    .. math:: -\sum_t h_t \log \frac{e^{z_t}}{\sum_u e^{z_u}}

    The targets are not normalised: a view in which nobody is seen has a loss of zero.

    Args:
      logits: :math:`z`, one a frame of a view.
      confidence: :math:`h` in [0, 1], of a detector of persons; a constant.
      mask: 1 for a real frame, 0 for padding, which takes no share of the softmax.

    Returns:
      One value per view.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *MultiSensor-Home: A Wide-area
      Multi-modal Multi-view Dataset for Action Recognition and Transformer-based Sensor
      Fusion*, FG 2025, arXiv:2504.02287; https://github.com/thanhhff/MultiTSF.
    """
    check_shapes("confidence", confidence.shape, "logits", logits.shape)
    (logits,), confidence = as_float32(logits), constant(confidence)
    if mask is not None:
        check_shapes("mask", mask.shape, "logits", logits.shape)
        logits = jnp.where(mask > 0, logits, NOWHERE)
        confidence = jnp.where(mask > 0, confidence, 0.0)
    return soft_cross_entropy(logits, confidence)

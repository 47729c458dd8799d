"""Agreement of what the cameras of one scene say about a moment that several see."""

import itertools

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    KINDS,
    as_float32,
    check_choice,
    check_shapes,
    divide,
    log_probabilities,
)
from kdjax.maxima import largest
from kdjax.typing import Array, Float, Shaped

WEIGHTS = ("confidence", "none")
NORMS = ("constant", "visible")


def kl(ours: Float[Array, "*B N"], theirs: Float[Array, "*B N"]) -> Float[Array, "*B"]:
    r"""KL divergence of two distributions in logarithms.

    .. math:: KL(p_i \,\|\, p_j) = \sum_c p_{i,c} (\log p_{i,c} - \log p_{j,c})

    Args:
      ours: :math:`\log p_i`.
      theirs: :math:`\log p_j`.

    Returns:
      One value per pair, non-negative up to rounding.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation
      for Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870, table 4, where it
      stands in for `js`.
    """
    return jnp.sum(jnp.exp(ours) * (ours - theirs), axis=-1)


def kl_symmetric(
    ours: Float[Array, "*B N"], theirs: Float[Array, "*B N"]
) -> Float[Array, "*B"]:
    r"""Mean of the KL divergences in both directions.

    .. math:: \tfrac{1}{2} KL(p_i \,\|\, p_j) + \tfrac{1}{2} KL(p_j \,\|\, p_i)

    Args:
      ours: :math:`\log p_i`.
      theirs: :math:`\log p_j`.

    Returns:
      One value per pair, non-negative up to rounding.

    References:
      Lin, *Divergence Measures Based on the Shannon Entropy*, IEEE Transactions on
      Information Theory 37(1), 1991, https://doi.org/10.1109/18.61115: half of J.
    """
    return 0.5 * (kl(ours, theirs) + kl(theirs, ours))


def js(ours: Float[Array, "*B N"], theirs: Float[Array, "*B N"]) -> Float[Array, "*B"]:
    r"""Jensen-Shannon divergence of two distributions in logarithms (equation 9).

    .. math:: JS(p_i, p_j) = \tfrac{1}{2} KL(p_i \,\|\, q) + \tfrac{1}{2}
      KL(p_j \,\|\, q), \qquad q = \tfrac{1}{2} (p_i + p_j)

    Args:
      ours: :math:`\log p_i`.
      theirs: :math:`\log p_j`.

    Returns:
      One value per pair: symmetric, zero for equal distributions, at most
      :math:`\log 2`.

    References:
      Lin, *Divergence Measures Based on the Shannon Entropy*, IEEE Transactions on
      Information Theory 37(1), 1991, https://doi.org/10.1109/18.61115.
    """
    # log q - log p_i = softplus(log p_j - log p_i) - log 2 loses no digits to logarithms
    # that are large, and is zero to the bit where both are equal.
    gap, half = theirs - ours, jax.nn.softplus(jnp.zeros((), ours.dtype))
    ours = jnp.exp(ours) * (half - jax.nn.softplus(gap))
    theirs = jnp.exp(theirs) * (half - jax.nn.softplus(-gap))
    return 0.5 * jnp.sum(ours + theirs, axis=-1)


DIVERGENCES = {"js": js, "kl": kl, "kl_symmetric": kl_symmetric}


def view_consistency(
    logits: Float[Array, "*B V T K"],
    visible: Shaped[Array, "*B V T"] | None,
    *,
    present: Shaped[Array, "*B V T"] | None = None,
    masked: bool = True,
    threshold: float = 0.0,
    weight: str = "confidence",
    weight_grad: bool = False,
    divergence: str = "js",
    norm: str = "constant",
    kind: str = "softmax",
) -> Float[Array, "*B"]:
    r"""How much the views of a scene disagree about what they see (equation 10).

    .. math:: \frac{1}{N T} \sum_{i < j} \sum_t w_{ij,t} \, m_{i,t} m_{j,t} \,
      JS(p_{i,t}, p_{j,t}), \qquad w_{ij,t} = \max_c p_{i,t,c} \max_c p_{j,t,c}

    with :math:`N = V (V - 1) / 2` pairs of views. Of every pair both views learn. One
    view alone, or frames that no two views see, give zero.

    Args:
      logits: of every frame of every view, before views are fused.
      visible: confidence that the view shows a person; :math:`m` is 1 where it exceeds
        the threshold. None is for ``masked=False``.
      present: 1 for a real frame of a real view, 0 for padding, which counts nowhere,
        nor in :math:`N T`.
      masked: whether :math:`m` counts; otherwise it is 1.
      threshold: of `visible`.
      weight: ``confidence``, or ``none`` for :math:`w = 1`.
      weight_grad: whether gradients flow through :math:`w`. They would lower the loss
        by lowering confidence.
      divergence: ``js``; ``kl``, of the earlier view from the later one; or
        ``kl_symmetric``, the mean of both directions.
      norm: ``constant`` divides by :math:`N T`; ``visible`` by the number of frames
        that two views see, at least one.
      kind: :math:`p` is the ``softmax`` of the logits; or ``sigmoid``, where every class
        is a decision of its own and their divergences are added up.

    Returns:
      One value per example.

    Raises:
      ValueError: where shapes disagree, an option is unknown, or `visible` is missing
        and asked for.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation
      for Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870, equations 9 and
      10.
    """
    check_choice("weight", weight, WEIGHTS)
    check_choice("divergence", divergence, DIVERGENCES)
    check_choice("norm", norm, NORMS)
    check_choice("kind", kind, KINDS)
    if masked and visible is None:
        raise ValueError("view consistency is masked where nothing says who is visible")
    (logits,) = as_float32(logits)
    real = _ones(present, "present", logits, 0.0)
    seen = real * _ones(visible if masked else None, "visible", logits, threshold)

    log_p = log_probabilities(logits, kind=kind)
    both_real, both_seen = (_product(side) for side in (real, seen))
    factor = both_seen
    if weight == "confidence":
        # Under a sigmoid the outcomes go on with the absences, which are no classes.
        classes = log_p[..., : logits.shape[-1]]
        confidence = jnp.exp(largest(classes, axis=-1))
        if not weight_grad:
            confidence = jax.lax.stop_gradient(confidence)
        factor = factor * _product(confidence)
    total = factor * DIVERGENCES[divergence](*_pairs(log_p, axis=-3))
    count = jnp.sum(both_seen if norm == "visible" else both_real, axis=(-2, -1))
    if norm == "visible":
        count = jnp.maximum(count, 1.0)
    return divide(jnp.sum(total, axis=(-2, -1)), count)


def _ones(
    mask: Array | None, name: str, logits: Array, threshold: float
) -> Float[Array, "*B V T"]:
    """1 where a mask exceeds a threshold, and everywhere without one."""
    if mask is None:
        return jnp.ones(logits.shape[:-1], jnp.float32)
    check_shapes(name, mask.shape, "logits", logits.shape[:-1])
    return (mask > threshold).astype(jnp.float32)


def _pairs(x: Array, *, axis: int) -> tuple[Array, Array]:
    """The earlier and the later view of every pair, along the axis of the views."""
    pairs = list(itertools.combinations(range(x.shape[axis]), 2))
    sides = ([pair[k] for pair in pairs] for k in (0, 1))
    first, second = (
        jnp.take(x, jnp.asarray(side, jnp.int32), axis=axis, mode="clip")
        for side in sides
    )
    return first, second


def _product(x: Float[Array, "*B V T"]) -> Float[Array, "*B N T"]:
    """The product of both views of every pair."""
    first, second = _pairs(x, axis=-2)
    return first * second

"""Agreement of one performance's views: negative cosines with a stopped gradient."""

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    EXACT,
    as_float32,
    check_shapes,
    constant,
    l2_normalise,
)
from kdjax.typing import Array, Float, Int

EPSILON = 1e-8
"""Smallest norm of a vector, as in PyTorch's cosine similarity."""


def negative_cosine(
    prediction: Float[Array, "*B D"], target: Float[Array, "*B D"]
) -> Float[Array, "*B"]:
    r"""Negative cosine of a predicted vector and a constant one.

    .. math:: D(z, h) = -\frac{z}{\|z\|_2} \cdot \frac{h}{\|h\|_2}

    Args:
      prediction: :math:`z`, through which the gradient flows.
      target: :math:`h`; no gradient flows into it.

    Returns:
      One value per example, in [-1, 1]; zero, with a zero gradient, at a zero vector.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Chen and He, *Exploring Simple Siamese Representation Learning*, CVPR 2021,
      arXiv:2011.10566, equation 1.
    """
    check_shapes("target", target.shape, "prediction", prediction.shape)
    (prediction,) = as_float32(prediction)
    return -jnp.sum(
        l2_normalise(prediction, epsilon=EPSILON)
        * l2_normalise(constant(target), epsilon=EPSILON),
        axis=-1,
    )


def view_share(
    prediction: Float[Array, "*B D"],
    targets: Float[Array, "*B V D"],
    *,
    view: Int[Array, ""] | int,
) -> Float[Array, "*B"]:
    r"""One view's share of the agreement of all views.

    .. math:: \tfrac{1}{2} \sum_{u \neq v} D(z^v, \mathrm{sg}(h^u))

    What a device computes that holds one view and has gathered the others' features.
    The shares of all views add up to `view_agreement`.

    Args:
      prediction: :math:`z^v`, the predictor's output for this view.
      targets: :math:`h^1 .. h^V`, the features of all views; no gradient flows into
        them.
      view: :math:`v`, this view's place among them.

    Returns:
      One value per example.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Liu, Liu and Tian, *Cross-Modality Distillation for Multi-View Action
      Recognition*, IJCCC 20(6), 2025, https://doi.org/10.15837/ijccc.2025.6.6883.
    """
    *lead, views, width = targets.shape
    check_shapes("prediction", prediction.shape, "targets", (*lead, width))
    (prediction,) = as_float32(prediction)
    cosines = jnp.einsum(
        "...vd,...d->...v",
        l2_normalise(constant(targets), epsilon=EPSILON),
        l2_normalise(prediction, epsilon=EPSILON),
        precision=EXACT,
    )
    others = (jnp.arange(views) != view).astype(jnp.float32)
    return -0.5 * jnp.sum(cosines * jnp.broadcast_to(others, cosines.shape), axis=-1)


def view_agreement(
    predictions: Float[Array, "*B V D"], targets: Float[Array, "*B V D"]
) -> Float[Array, "*B"]:
    r"""Agreement of all pairs of views (equations 6 and 7).

    .. math::
      \sum_{u < v} \tfrac{1}{2} D(z^v, \mathrm{sg}(h^u))
                 + \tfrac{1}{2} D(z^u, \mathrm{sg}(h^v))

    The sum over pairs is not averaged: it lies in [-V(V-1)/2, V(V-1)/2].

    Args:
      predictions: :math:`z^1 .. z^V`, the predictor's outputs.
      targets: :math:`h^1 .. h^V`, the features; no gradient flows into them.

    Returns:
      One value per example.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Liu, Liu and Tian, *Cross-Modality Distillation for Multi-View Action
      Recognition*, IJCCC 20(6), 2025, https://doi.org/10.15837/ijccc.2025.6.6883.
    """
    check_shapes("targets", targets.shape, "predictions", predictions.shape)

    def share(prediction, view):
        return view_share(prediction, targets, view=view)

    views = jnp.arange(predictions.shape[-2])
    return jnp.sum(
        jax.vmap(share, in_axes=(-2, 0), out_axes=-1)(predictions, views), -1
    )


def spread(vectors: Float[Array, "B D"]) -> Float[Array, ""]:
    r"""Deviation of normalised vectors over a batch: how far they are from collapse.

    .. math::
      \frac{1}{D} \sum_d \mathrm{std}_b \, \frac{x_{b,d}}{\|x_b\|_2}

    Couples the batch: under `jax.jit` over a mesh it sees the global one.

    Args:
      vectors: features.

    Returns:
      One number: zero where all vectors point one way, :math:`1/\sqrt{D}` where they
      point anywhere.

    References:
      Chen and He, *Exploring Simple Siamese Representation Learning*, CVPR 2021,
      arXiv:2011.10566, section 4.1.
    """
    (vectors,) = as_float32(vectors)
    return jnp.mean(jnp.std(l2_normalise(vectors, epsilon=EPSILON), axis=0))

r"""Scaled dot-product attention, lowered for the device that runs it.

A TPU multiplies matrices in tiles of 128 x 128. One head of a small transformer fills half
of one, and before each product its numbers have to be brought together: for the 50 tokens
of ViT-S/32 that takes longer than the products. There a head is made the whole vector of a
token with the features of the other heads set to zero. So the numbers stay where the
projections left them, for H times as many multiplications, which wide tiles do anyway:
38 % of the time, forward and backward, by the compiler's estimate for a TPU v5e
(`benchmarks.tpu_lowerings`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdjax.typing import Array, Bool, Float

FEW_TOKENS = 128
"""Tokens up to which a TPU multiplies whole ones: one tile. The further products grow with
the tokens, and for more than a tile of them no estimate was made."""


def attend(
    q: Float[Array, "B Q H d"],
    k: Float[Array, "B S H d"],
    v: Float[Array, "B S H d"],
    mask: Bool[Array, "B 1 1 S"] | None = None,
) -> Float[Array, "B Q H d"]:
    r"""Attention, :math:`\mathrm{softmax}(Q K^T / \sqrt{d}) V` of every head.

    Args:
      q: queries.
      k: keys.
      v: values.
      mask: which keys are there; a query that finds none gets a mean of all.

    Returns:
      What `jax.nn.dot_product_attention` computes, up to the order of summation.
    """
    masks = () if mask is None else (mask,)
    if k.shape[1] > FEW_TOKENS:
        return _of_heads(q, k, v, *masks)
    return lax.platform_dependent(q, k, v, *masks, tpu=_of_tokens, default=_of_heads)


def _of_heads(q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    return jax.nn.dot_product_attention(q, k, v, mask=mask)


def _of_tokens(q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    mask = None if mask is None else mask.reshape(len(mask), 1, 1, -1)
    rows = (x.reshape(*x.shape[:2], -1) for x in (q, k, v))
    return _attend(q.shape[2], *rows, mask).reshape(q.shape)


def weights_of(
    scores: Float[Array, "B H Q S"], head_dim: int, mask: Array | None
) -> Float[Array, "B H Q S"]:
    """What a query takes of each key, from the products of both; float32.

    Args:
      scores: products, in float32.
      head_dim: numbers that were summed.
      mask: which keys are there; a query that finds none takes as much of each.

    Returns:
      Weights that sum to one.
    """
    scores = scores / np.sqrt(head_dim)
    if mask is not None:
        scores = jnp.where(mask, scores, 0.7 * jnp.finfo(jnp.float32).min)
    return jax.nn.softmax(scores)


def heads_apart(x: Float[Array, "B T D"], heads: int) -> Float[Array, "B H T D"]:
    """Every token once for each head, zero where other heads have their features."""
    own = np.repeat(np.eye(heads), x.shape[-1] // heads, axis=1)
    return x[:, None] * jnp.asarray(own, x.dtype)[None, :, None]


_product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(heads: int, q: Array, k: Array, v: Array, mask: Array | None) -> Array:
    """Attention between tokens ``[B Q D]`` and ``[B S D]``."""
    return _forward(heads, q, k, v, mask)[0]


def _forward(
    heads: int, q: Array, k: Array, v: Array, mask: Array | None
) -> tuple[Array, tuple]:
    scores = _product("bhqd,bsd->bhqs", heads_apart(q, heads), k)
    weights = weights_of(scores, q.shape[-1] // heads, mask).astype(v.dtype)
    out = jnp.einsum("bhqs,bhsd->bqd", weights, heads_apart(v, heads))
    return out, (q, k, v, mask, weights)


def _backward(heads: int, kept: tuple, pull: Array) -> tuple:
    """As the forward pass: what JAX derives of it would make vectors for each head."""
    q, k, v, mask, weights = kept
    apart = functools.partial(heads_apart, heads=heads)
    by_weight = _product("bhqd,bsd->bhqs", apart(pull), v)
    w = weights.astype(jnp.float32)
    by_score = w * (by_weight - (w * by_weight).sum(axis=-1, keepdims=True))
    if mask is not None:
        by_score = jnp.where(mask, by_score, 0.0)
    by_score = (by_score / np.sqrt(q.shape[-1] // heads)).astype(q.dtype)
    to_q = jnp.einsum("bhqs,bhsd->bqd", by_score, apart(k))
    to_k = jnp.einsum("bhqs,bhqd->bsd", by_score, apart(q))
    to_v = jnp.einsum("bhqs,bhqd->bsd", weights, apart(pull))
    return to_q, to_k, to_v, None


_attend.defvjp(_forward, _backward)

r"""The gradient of a batch in parts, which takes the memory of one part.

.. math:: \nabla L = \sum_i \frac{w_i}{w} \nabla L_i

with :math:`w_i` the real examples of part :math:`i` and :math:`w` those of the batch: of a
loss that is a mean over real examples it is the gradient of the whole batch. What looks
across examples sees those of a part: batch statistics, losses that couple the batch, an
augmentation that mixes examples.

Part i of k holds the rows i, i + k, i + 2k and so on. Where rows are split over devices
each one's share of every part lies on it already.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from kdjax.typing import Array, Batch

Loss = Callable[..., tuple[Array, tuple[Any, dict]]]
"""``(params, state, frozen, batch, key) -> (loss, (state, metrics))``."""


def value_and_grad(loss: Loss, *, parts: int = 1) -> Callable[..., Any]:
    """As `jax.value_and_grad`, over a batch in parts, one after the other.

    Part i draws from the key folded with i. All parts begin with the state of the whole;
    what they make of it is averaged, and of what is counted in integers that of the last
    one is kept. Metrics are means weighted as the gradient is.

    Args:
      loss: its value and its metrics are means over the real examples, its batch has the
        key ``mask``.
      parts: how many; one is `jax.value_and_grad` itself.

    Returns:
      ``(params, state, frozen, batch, key) -> ((loss, (state, metrics)), grads)``. It
      raises a ValueError where the rows do not divide by the parts.

    Raises:
      ValueError: where the number is not positive.
    """
    if parts < 1:
        raise ValueError(f"a batch has no {parts} parts")
    whole = jax.value_and_grad(loss, has_aux=True)
    if parts == 1:
        return whole

    def gradient(params, state, frozen, batch, key):
        rows = _cut(batch, parts)
        real = jnp.sum(rows["mask"].astype(jnp.float32), axis=0)
        shares = real / jnp.maximum(jnp.sum(real), 1.0)

        def one(total, turn):
            number, share = turn
            grads, moved = total
            part = {name: _at(array, number) for name, array in rows.items()}
            own_key = jax.random.fold_in(key, number)
            (value, (after, metrics)), own = whole(params, state, frozen, part, own_key)
            grads = jax.tree.map(lambda a, b: a + share * b, grads, own)
            moved = jax.tree.map(
                lambda a, old, new: _moved(a, old, new, parts), moved, state, after
            )
            scaled = jax.tree.map(lambda each: share * each, (value, metrics))
            return (grads, moved), scaled

        start = jax.tree.map(jnp.zeros_like, params), state
        turns = jnp.arange(parts), shares
        (grads, state), scaled = jax.lax.scan(one, start, turns)
        value, metrics = jax.tree.map(lambda each: jnp.sum(each, axis=0), scaled)
        return (value, (state, metrics)), grads

    return gradient


def _cut(batch: Batch, parts: int) -> dict[str, Array]:
    """Every array as ``[rows of a part, parts, ...]``."""
    rows = len(batch["mask"])
    if rows % parts:
        raise ValueError(f"a batch of {rows} rows does not divide into {parts} parts")
    return {
        name: array.reshape(rows // parts, parts, *array.shape[1:])
        for name, array in batch.items()
    }


def _at(array: Array, part: Array) -> Array:
    """A part; taken when its turn comes, so that no second batch is laid out."""
    return jax.lax.dynamic_index_in_dim(array, part, axis=1, keepdims=False)


def _moved(mean: Array, before: Array, after: Array, parts: int) -> Array:
    """The running mean of a state, by its changes: what does not change stays exact."""
    if not jnp.issubdtype(after.dtype, jnp.inexact):
        return after
    return mean + (after - before) / parts

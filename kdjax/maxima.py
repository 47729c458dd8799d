"""Maxima whose gradients do not depend on how a compiler rounds.

The gradient of `jnp.maximum` goes to what equals the maximum, and so do those of its
reductions. A compiler may compute a number anew for its gradient and round it otherwise;
nothing is equal then, and the gradient is lost or zero over zero. Here it goes where the
maximum was found.
"""

import jax.numpy as jnp
from jax import lax

from kdjax.typing import Array, Float


def larger(x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
    """The maximum of two arrays; where they are equal the gradient is the first's.

    Args:
      x: numbers.
      y: as many others.

    Returns:
      The larger ones; what is no number stays none, or a broken loss would look sound.
    """
    return jnp.where((x >= y) | jnp.isnan(x), x, y)


def largest(x: Float[Array, "..."], axis: int) -> Float[Array, "..."]:
    """The maximum over an axis; where several are equal the gradient is the first's.

    Args:
      x: numbers.
      axis: that the result has no longer.

    Returns:
      The largest ones.
    """
    first = jnp.argmax(x, axis=axis, keepdims=True)
    chosen = first == lax.broadcasted_iota(first.dtype, x.shape, axis % x.ndim)
    return jnp.sum(jnp.where(chosen, x, 0), axis=axis)

"""What the losses share: checks that speak clearly, and a guarded normalisation."""

from collections.abc import Collection

import jax
import jax.numpy as jnp

from kdjax.typing import Array, Float, Shaped

EXACT = jax.lax.Precision.HIGHEST
"""Precision of every product: accelerators round float32 products down by default."""

KINDS = ("softmax", "sigmoid")
"""How logits become probabilities: one class of all, or every class by itself."""


def as_float32(*arrays: Shaped[Array, "..."]) -> tuple[Float[Array, "..."], ...]:
    """Casts arrays to float32, whatever comes in."""
    return tuple(array.astype(jnp.float32) for array in arrays)


def constant(array: Shaped[Array, "..."]) -> Float[Array, "..."]:
    """Casts to float32 and lets no gradient through: what comes from a teacher."""
    return jax.lax.stop_gradient(array.astype(jnp.float32))


def check_shapes(name: str, shape: tuple, other: str, expected: tuple) -> None:
    """Raises ValueError where two shapes differ, instead of broadcasting."""
    if tuple(shape) != tuple(expected):
        raise ValueError(
            f"{name} has shape {tuple(shape)} where {other} asks for {tuple(expected)}"
        )


def check_positive(name: str, value: float) -> None:
    """Raises ValueError unless a hyper-parameter is above zero."""
    if not value > 0:
        raise ValueError(f"{name} must be positive, not {value}")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raises ValueError unless an option has one of its values."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def check_groups(rows: int, groups: int) -> None:
    """Raises ValueError unless a batch can be cut into that many equal parts."""
    if groups < 1 or rows % groups:
        raise ValueError(f"a batch of {rows} rows does not divide by {groups} groups")


def log_probabilities(
    logits: Float[Array, "*B K"], *, kind: str
) -> Float[Array, "*B N"]:
    """Logarithms of the probabilities of all outcomes.

    Of ``softmax`` these are the K classes. Of ``sigmoid`` they are 2 K: every class
    present, then every class absent. A sum over them of ``p (log p - log q)`` is then
    the divergence of K independent decisions.
    """
    if kind == "softmax":
        return jax.nn.log_softmax(logits)
    return jnp.concatenate(
        [jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)], axis=-1
    )


def tame(x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
    """Rows divided by their peak where it exceeds 1e6, so that squares stay finite.

    For what the scale of its input leaves unchanged: the peak is a constant. The limit
    lies far above anything that the small constants of the losses would feel.
    """
    peak = jnp.max(jnp.abs(jax.lax.stop_gradient(x)), axis=-1, keepdims=True)
    return x / jnp.where(peak > 1e6, peak, 1.0)


def l2_normalise(
    x: Float[Array, "*B D"], *, epsilon: float = 1e-12
) -> Float[Array, "*B D"]:
    """Rows divided by ``max(norm, epsilon)``; value and gradient are finite at zero."""
    x = tame(x)
    # The maximum stands inside the root: it cuts the gradient where the root has none.
    squares = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(squares, epsilon**2))


def divide(total: Float[Array, "*B"], count: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """``total / count``, and zero with a zero gradient where the count is zero."""
    empty = count == 0
    return jnp.where(empty, 0.0, total / jnp.where(empty, 1.0, count))


def masked_mean(
    values: Float[Array, "*B T"], mask: Shaped[Array, "*B T"] | None
) -> Float[Array, "*B"]:
    """Mean over the last axis of what is no padding; zero where all is."""
    if mask is None:
        return jnp.mean(values, axis=-1)
    check_shapes("mask", mask.shape, "what it covers", values.shape)
    mask = constant(mask)
    return divide(jnp.sum(mask * values, axis=-1), jnp.sum(mask, axis=-1))


def adaptive_mean(x: Float[Array, "..."], axis: int, size: int) -> Float[Array, "..."]:
    """Means over windows ``[floor(i n / m), ceil((i + 1) n / m))`` along one axis.

    The windows of PyTorch's adaptive pooling, from n positions to m.
    """
    length = x.shape[axis]
    if length == size:
        return x
    windows = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
    weight = [
        [
            1.0 / (stop - start) if start <= place < stop else 0.0
            for place in range(length)
        ]
        for start, stop in windows
    ]
    weight = jnp.asarray(weight, jnp.float32)
    pooled = jnp.tensordot(x, weight, axes=(axis, 1), precision=EXACT)
    return jnp.moveaxis(pooled, -1, axis)

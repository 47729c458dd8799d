"""Channels that a network derives from its raw input, in physical units."""

from collections.abc import Sequence

import jax.numpy as jnp

from kdjax.typing import Array, Float


def difference(x: Float[Array, "B T *C"]) -> Float[Array, "B T *C"]:
    r"""Central difference :math:`(x_{t+1} - x_{t-1}) / 2`, zero at both ends."""
    inner = 0.5 * (x[:, 2:] - x[:, :-2])
    return jnp.pad(inner, [(0, 0), (1, 1)] + [(0, 0)] * (x.ndim - 2))


def moving_average(x: Float[Array, "B T C"], *, window: int) -> Float[Array, "B T C"]:
    """Mean over a window around each step, the ends repeated outwards.

    Args:
      x: sequences.
      window: odd number of steps.

    Returns:
      Sequences of the same length.
    """
    half = window // 2
    padded = jnp.pad(x, [(0, 0), (half + 1, half), (0, 0)], mode="edge")
    total = jnp.cumsum(padded, axis=1)
    return (total[:, window:] - total[:, :-window]) / window


def acceleration_channels(x: Float[Array, "B T 3"]) -> Float[Array, "B T 10"]:
    """Acceleration, its magnitude, its change, and its slow part.

    The magnitude does not depend on how the sensor is worn; the mean over a quarter of
    the recording follows gravity, hence the sensor's attitude.

    Args:
      x: acceleration in g.

    Returns:
      Ten channels.
    """
    # Clamped before the root, which has no finite gradient at zero.
    magnitude = jnp.sqrt(jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-12))
    slow = moving_average(x, window=x.shape[1] // 4 | 1)
    return jnp.concatenate([x, magnitude, difference(x), slow], axis=-1)


def motion_channels(x: Float[Array, "B T M J C"]) -> Float[Array, "B T M J D"]:
    """Position and its change for every joint.

    Args:
      x: joints.

    Returns:
      Twice the channels.
    """
    return jnp.concatenate([x, difference(x)], axis=-1)


def derive(streams: Sequence[Float[Array, "B T ..."]]) -> list[Float[Array, "B T ..."]]:
    """Every stream with its derived channels: three of a sensor, or those of joints.

    Args:
      streams: ``[B T 3]`` acceleration or ``[B T M J C]`` joints.

    Returns:
      The streams in order, wider.

    Raises:
      ValueError: where a stream is neither.
    """
    wider = []
    for stream in streams:
        if stream.ndim == 3 and stream.shape[-1] == 3:
            wider.append(acceleration_channels(stream))
        elif stream.ndim == 5:
            wider.append(motion_channels(stream))
        else:
            raise ValueError(f"nothing is derived from a stream of {stream.shape}")
    return wider

"""Augmentation of signals that share one time axis: skeletons and sensors.

Each function maps ``(key, batch)`` to a batch of the same shapes. A time warp moves all
modalities of an example together and a mixture mixes them with one weight, so that a
teacher and a student that read different keys see the same performance.
"""

import jax
import jax.numpy as jnp

from kdjax.typing import Array, Batch, Float, PRNGKeyArray

TIMED = ("skeleton", "inertial")
"""Keys with a time axis after the batch axis."""

EXACT = jax.lax.Precision.HIGHEST
"""Precision of every product: accelerators round float32 products down by default."""


def sample_at(
    array: Float[Array, "B T *rest"], positions: Float[Array, "B T2"]
) -> Float[Array, "B T2 *rest"]:
    """Linear interpolation along time.

    Args:
      array: samples at the positions 0 .. T-1.
      positions: in samples; clipped to the range.

    Returns:
      The interpolated samples.
    """
    last = array.shape[1] - 1
    positions = jnp.clip(positions, 0.0, last)
    low = jnp.minimum(positions.astype(jnp.int32), last - 1)
    weight = positions - low
    expand = (...,) + (None,) * (array.ndim - 2)
    take = jax.vmap(lambda rows, index: rows[index])
    before, after = take(array, low), take(array, low + 1)
    return before + weight[expand] * (after - before)


def time_warp(
    key: PRNGKeyArray, batch: Batch, *, min_length: float = 0.8, strength: float = 0.0
) -> Batch:
    """A random crop in time, stretched back, its pace varied smoothly.

    Args:
      key: random key.
      batch: arrays under the keys of `TIMED` are warped alike.
      min_length: shortest crop as a fraction of the whole, in (0, 1].
      strength: amplitude of the pace's two slow sine terms, in [0, 1).

    Returns:
      The batch, lengths unchanged.

    Raises:
      ValueError: where an option is out of range.
    """
    if not 0.0 < min_length <= 1.0:
        raise ValueError(f"min_length is {min_length}, not in (0, 1]")
    if not 0.0 <= strength < 1.0:
        raise ValueError(f"strength is {strength}, not in [0, 1)")
    names = [name for name in TIMED if name in batch]
    count, steps = batch[names[0]].shape[:2]
    length_key, start_key, pace_key = jax.random.split(key, 3)
    length = jax.random.uniform(length_key, (count, 1), minval=min_length, maxval=1.0)
    start = jax.random.uniform(start_key, (count, 1)) * (1.0 - length)
    unit = jnp.linspace(0.0, 1.0, steps)[None]
    waves = jnp.pi * jnp.array([1.0, 2.0])[:, None] * unit
    amplitude = jax.random.uniform(pace_key, (count, 2), minval=-1.0, maxval=1.0)
    # The warp's slope stays positive: its terms' slopes add up to strength at the most.
    scale = strength / (2.0 * jnp.pi * jnp.array([1.0, 2.0]))
    unit = unit + jnp.matmul(amplitude * scale[None], jnp.sin(waves), precision=EXACT)
    positions = (start + length * unit) * (steps - 1)
    return {**batch, **{name: sample_at(batch[name], positions) for name in names}}


def rotation_matrices(
    key: PRNGKeyArray,
    count: int,
    *,
    max_angle: float,
    axis: tuple[float, float, float] | None = None,
) -> Float[Array, "B 3 3"]:
    r"""Random rotations, :math:`R = I + \sin a\,K + (1-\cos a)K^2`.

    Args:
      key: random key.
      count: how many.
      max_angle: largest angle in degrees, either way.
      axis: direction that all turn about; without it each draws its own.

    Returns:
      Rotation matrices.
    """
    axis_key, angle_key = jax.random.split(key)
    if axis is None:
        drawn = jax.random.normal(axis_key, (count, 3))
    else:
        drawn = jnp.broadcast_to(jnp.asarray(axis, jnp.float32), (count, 3))
    drawn = drawn / jnp.maximum(jnp.linalg.norm(drawn, axis=-1, keepdims=True), 1e-6)
    angle = jax.random.uniform(angle_key, (count, 1, 1), minval=-1.0, maxval=1.0)
    angle = jnp.deg2rad(max_angle) * angle
    x, y, z = drawn[:, 0], drawn[:, 1], drawn[:, 2]
    zero = jnp.zeros_like(x)
    cross = jnp.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    identity = jnp.eye(3)[None]
    square = jnp.matmul(cross, cross, precision=EXACT)
    return identity + jnp.sin(angle) * cross + (1 - jnp.cos(angle)) * square


def rotate(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    name: str,
    max_angle: float = 15.0,
    axis: tuple[float, float, float] | None = None,
) -> Batch:
    """Rotates each example's last axis of three by one random rotation.

    Args:
      key: random key.
      batch: holds `name`, with groups of three channels last.
      name: the modality that is rotated.
      max_angle: largest angle in degrees, either way.
      axis: direction to turn about, such as the vertical; random without it.

    Returns:
      The batch with one entry replaced.

    Raises:
      ValueError: where the last axis is no multiple of three.
    """
    array = batch[name]
    if array.shape[-1] % 3:
        raise ValueError(
            f"{name} of shape {array.shape} has no groups of three channels to rotate"
        )
    groups = array.reshape(len(array), -1, 3)
    turns = rotation_matrices(key, len(array), max_angle=max_angle, axis=axis)
    turned = jnp.matmul(groups, turns.mT, precision=EXACT)
    return {**batch, name: turned.reshape(array.shape)}


def jitter(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    name: str,
    scale: float = 0.0,
    offset: float = 0.0,
    noise: float = 0.0,
) -> Batch:
    """Scales, shifts and roughens one modality.

    Args:
      key: random key.
      batch: holds `name`.
      name: the modality that is changed.
      scale: standard deviation of one factor per example around 1.
      offset: standard deviation of one shift per example and last channel.
      noise: standard deviation of the noise on every value.

    Returns:
      The batch with one entry replaced.
    """
    array = batch[name]
    scale_key, offset_key, noise_key = jax.random.split(key, 3)
    one = (len(array),) + (1,) * (array.ndim - 1)
    channel = one[:-1] + array.shape[-1:]
    array = array * (1.0 + scale * jax.random.normal(scale_key, one))
    array = array + offset * jax.random.normal(offset_key, channel)
    array = array + noise * jax.random.normal(noise_key, array.shape)
    return {**batch, name: array}


def mixup(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    num_classes: int,
    alpha: float = 0.2,
    probability: float = 1.0,
) -> Batch:
    r"""Mixes each example with another, :math:`\lambda x_i + (1 - \lambda) x_j`.

    The weight is at least one half, so that ``label`` stays the larger part's; it is one
    where the other row is padding.

    Args:
      key: random key.
      batch: arrays under the keys of `TIMED` are mixed.
      num_classes: width of the added ``target [B K]``, the mixture of the labels.
      alpha: parameter of the Beta distribution of :math:`\lambda`, positive.
      probability: share of the examples that are mixed at all.

    Returns:
      The batch with mixed modalities and the key ``target`` added.

    Raises:
      ValueError: where `alpha` is not positive.

    References:
      Zhang, Cisse, Dauphin and Lopez-Paz, *mixup: Beyond Empirical Risk Minimization*,
      ICLR 2018, https://arxiv.org/abs/1710.09412.
    """
    if not alpha > 0:
        raise ValueError(f"mixup's alpha is {alpha}, not positive")
    names = [name for name in TIMED if name in batch]
    count = len(batch["label"])
    weight_key, order_key, mixed_key = jax.random.split(key, 3)
    weight = jax.random.beta(weight_key, alpha, alpha, (count,))
    weight = jnp.maximum(weight, 1.0 - weight)
    order = jax.random.permutation(order_key, count)
    mixed = jax.random.bernoulli(mixed_key, probability, (count,))
    weight = jnp.where(mixed & (batch["mask"][order] > 0), weight, 1.0)

    def mix(array):
        part = weight.reshape((count,) + (1,) * (array.ndim - 1))
        return part * array + (1.0 - part) * array[order]

    arrays = {name: mix(batch[name]) for name in names}
    one_hot = jax.nn.one_hot(batch["label"], num_classes)
    return {**batch, **arrays, "target": mix(one_hot)}

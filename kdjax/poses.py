"""Poses in pictures, cropped, scaled and mirrored on the device.

A pose is ``joints [*B T M J 3]`` (x to the right, y down, in pixels, and a score) in a
frame of ``size [*B 2]`` (height and width in whole pixels), which every crop changes
clip by clip: the functions take both and give both. The corner of the frame is the
coordinate zero; scaling moves no pixel centres. As in the poses' files, a coordinate
of exactly zero is one that was not found: what moves the others leaves it at zero,
unless it says otherwise.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import skeletons
from kdjax.typing import Array, Float, Int, PRNGKeyArray

Joints = Float[Array, "*B T M J 3"]
Size = Int[Array, "*B 2"]


def compact(
    joints: Joints,
    size: Size,
    *,
    padding: float = 0.25,
    threshold: float = 10.0,
    ratio: tuple[float, float] | None = (1.0, 1.0),
    inside: bool = False,
) -> tuple[Joints, Size]:
    """Crops to the box around all persons of a clip, widened and made square.

    The box holds every coordinate of all frames that is not zero, x and y apart. Its
    corners are cut toward zero, so that negative ones move inward. NaN becomes zero.

    Args:
      joints: of whole clips.
      size: of their frames.
      padding: share by which the box's half width and height grow, not negative.
      threshold: pixels; a clip whose box is narrower or lower stays as it is.
      ratio: least and greatest height over width, reached by widening; without it the
        box keeps its shape.
      inside: cut the box off at the frame, which it may leave otherwise.

    Returns:
      Joints with the box's corner subtracted, zeros left at zero, and the box's size.

    Raises:
      ValueError: where a shape or an option is not of that kind.

    References:
      ``PoseCompact`` of Duan, Wang, Chen and Lin, *PYSKL: Towards Good Practices for
      Skeleton Action Recognition*, ACM MM 2022, arXiv:2205.09443.
    """
    _check(joints, size)
    if not padding >= 0:
        raise ValueError(f"padding is {padding}, negative")
    if ratio is not None and not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {ratio}, not two rising positive numbers")
    points = joints[..., :2].astype(jnp.float32)
    points = jnp.where(jnp.isnan(points), 0.0, points)
    found, everywhere = points != 0, (-4, -3, -2)
    low = jnp.min(jnp.where(found, points, jnp.inf), axis=everywhere)
    high = jnp.max(jnp.where(found, points, -jnp.inf), axis=everywhere)
    keep = jnp.any(high - low < threshold, axis=-1, keepdims=True)
    low, high = jnp.where(keep, 0.0, low), jnp.where(keep, 0.0, high)
    middle, half = (high + low) / 2, _widened((high - low) / 2 * (1 + padding), ratio)
    low, high = middle - half, middle + half
    if inside:
        frame = size[..., ::-1].astype(jnp.float32)
        low, high = jnp.maximum(low, 0.0), jnp.minimum(high, frame)
    low, high = jnp.trunc(low), jnp.trunc(high)
    moved = jnp.where(found, points - low[..., None, None, None, :], points)
    box = (high - low).astype(size.dtype)[..., ::-1]
    return _with_points(joints, moved), jnp.where(keep, size, box)


def resize(joints: Joints, size: Size, *, to: tuple[int, int]) -> tuple[Joints, Size]:
    """Scales to a height and a width, each by its own factor.

    Args:
      joints: of clips.
      size: of their frames, positive.
      to: height and width in pixels.

    Returns:
      Joints in the frame of that size, and the size of every clip.

    Raises:
      ValueError: where a shape is another or the new size is not positive.
    """
    _check(joints, size)
    if min(to) < 1:
        raise ValueError(f"poses cannot be resized to {to}")
    return _scaled(
        joints, size, jnp.broadcast_to(jnp.array(to, size.dtype), size.shape)
    )


def resize_short(joints: Joints, size: Size, *, short: int) -> tuple[Joints, Size]:
    """Scales the frame's shorter side to a length, and the longer one by as much.

    Args:
      joints: of clips.
      size: of their frames, positive.
      short: pixels of the shorter side; the longer one is rounded to whole pixels.

    Returns:
      Joints in the new frame, and its size.

    Raises:
      ValueError: where a shape is another or the length is not positive.
    """
    _check(joints, size)
    if short < 1:
        raise ValueError(f"poses cannot be resized to a short side of {short}")
    least = jnp.min(size, axis=-1, keepdims=True)
    # Halves are rounded up, in whole numbers: floor(side * short / least + 1 / 2).
    return _scaled(joints, size, (2 * size * short + least) // (2 * least))


def random_resized_crop(
    key: PRNGKeyArray,
    joints: Joints,
    size: Size,
    *,
    area: tuple[float, float] = (0.56, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    attempts: int = 10,
) -> tuple[Joints, Size]:
    """Crops each clip to a random part of its frame, alike in all its frames.

    Area and aspect, the width over the height, are drawn `attempts` times, the aspect
    evenly in its logarithm; the first pair whose box fits is taken, and where none
    does, the middle square.

    Args:
      key: random key.
      joints: of clips.
      size: of their frames, positive.
      area: range of the box's area as a share of the frame's, within (0, 1].
      aspect: range of the box's width over its height, positive.
      attempts: draws for each clip, at least one.

    Returns:
      Joints with the box's corner subtracted, zeros too, and the box's size.

    Raises:
      ValueError: where a shape or an option is not of that kind.
    """
    _check(joints, size)
    if not 0 < area[0] <= area[1] <= 1:
        raise ValueError(f"area is {area}, not a range within (0, 1]")
    if not 0 < aspect[0] <= aspect[1]:
        raise ValueError(f"aspect is {aspect}, not a range of positive numbers")
    if attempts < 1:
        raise ValueError(f"attempts is {attempts}: at least one is needed")
    area_key, aspect_key, place_key = jax.random.split(key, 3)
    shape = (*size.shape[:-1], attempts)
    share = jax.random.uniform(area_key, shape, minval=area[0], maxval=area[1])
    low, high = math.log(aspect[0]) / 2, math.log(aspect[1]) / 2
    root = jnp.exp(jax.random.uniform(aspect_key, shape, minval=low, maxval=high))
    side = jnp.sqrt(share * jnp.prod(size.astype(jnp.float32), axis=-1)[..., None])
    boxes = jnp.round(jnp.stack([side / root, side * root], -1)).astype(size.dtype)
    fits = jnp.all(boxes <= size[..., None, :], axis=-1)
    first = jnp.argmax(fits, axis=-1)[..., None, None]
    box = jnp.take_along_axis(boxes, first, axis=-2)[..., 0, :]
    square = jnp.broadcast_to(jnp.min(size, axis=-1, keepdims=True), size.shape)
    any_fits = jnp.any(fits, axis=-1, keepdims=True)
    box = jnp.where(any_fits, box, square)
    corner = jax.random.randint(place_key, size.shape, 0, size - box + 1, size.dtype)
    corner = jnp.where(any_fits, corner, (size - box) // 2)
    return _cropped(joints, corner), box


def center_crop(
    joints: Joints, size: Size, *, to: tuple[int, int]
) -> tuple[Joints, Size]:
    """Crops to the middle of the frame, or widens a smaller frame to all sides.

    Args:
      joints: of clips.
      size: of their frames.
      to: height and width in pixels.

    Returns:
      Joints with the box's corner subtracted, zeros too, and the size of every clip.

    Raises:
      ValueError: where a shape is another or the new size is not positive.
    """
    _check(joints, size)
    if min(to) < 1:
        raise ValueError(f"poses cannot be cropped to {to}")
    box = jnp.broadcast_to(jnp.array(to, size.dtype), size.shape)
    return _cropped(joints, (size - box) // 2), box


def flip(joints: Joints, size: Size, *, pairs: Sequence[tuple[int, int]]) -> Joints:
    """Mirrors: x becomes W - x where it is not zero, and left and right change places.

    The training of PoseC3D. Its test mirrors maps (`kdjax.heatmaps.mirror_heatmaps`),
    which brings a joint to W - 1 - x, one pixel beside; both are kept.

    Args:
      joints: of clips.
      size: of their frames.
      pairs: left and right joints, such as ``Topology.flip``.

    Returns:
      The mirrored joints, in frames of the same size.

    Raises:
      ValueError: where a shape is another, a pair leaves the joints or two share one.
    """
    _check(joints, size)
    order = skeletons.mirror_order(pairs, joints.shape[-2])
    x, width = joints[..., 0], size[..., 1].astype(joints.dtype)
    mirrored = jnp.where(x != 0, width[..., None, None, None] - x, x)
    return joints.at[..., 0].set(mirrored)[..., jnp.array(order), :]


def random_flip(
    key: PRNGKeyArray,
    joints: Joints,
    size: Size,
    *,
    pairs: Sequence[tuple[int, int]],
    probability: float = 0.5,
) -> Joints:
    """Mirrors some of the clips, as `flip` does.

    Args:
      key: random key.
      joints: of clips.
      size: of their frames.
      pairs: left and right joints, such as ``Topology.flip``.
      probability: share of the clips that are mirrored.

    Returns:
      The joints, in frames of the same size.

    Raises:
      ValueError: where a shape is another, a pair leaves the joints or two share one.
    """
    flipped = flip(joints, size, pairs=pairs)
    coin = jax.random.bernoulli(key, probability, size.shape[:-1])
    return jnp.where(coin[..., None, None, None, None], flipped, joints)


def check_joints(array: np.ndarray, *, name: str) -> np.ndarray:
    """Refuses poses that cannot be drawn, on the host and before they travel.

    Args:
      array: ``[..., J, 3]``: x and y in pixels, and a score.
      name: what to call it in the message.

    Returns:
      The array, as it is.

    Raises:
      ValueError: naming the first joint that is not finite or whose score leaves
        [0, 1], or the shape where its last axis is not of three.
    """
    array = np.asarray(array)
    if array.ndim < 2 or array.shape[-1] != 3:
        raise ValueError(f"{name} has shape {array.shape}, not [..., J, 3]")
    score = array[..., 2]
    good = np.isfinite(array).all(axis=-1) & (score >= 0) & (score <= 1)
    if not good.all():
        place = tuple(map(int, np.unravel_index(np.argmin(good), good.shape)))
        values = ", ".join(f"{value:g}" for value in array[place])
        raise ValueError(
            f"{name}{list(place)} is ({values}): x and y must be finite, the score in "
            f"[0, 1]; {good.size - good.sum()} of {good.size} joints are not so"
        )
    return array


def _widened(
    half: Float[Array, "*B 2"], ratio: tuple[float, float] | None
) -> Float[Array, "*B 2"]:
    """Half width and height, one of them raised until their ratio is in range."""
    if ratio is None:
        return half
    width, height = half[..., 0], half[..., 1]
    height = jnp.maximum(ratio[0] * width, height)
    width = jnp.maximum(1 / ratio[1] * height, width)
    return jnp.stack([width, height], axis=-1)


def _with_points(joints: Joints, points: Float[Array, "*B T M J 2"]) -> Joints:
    """The joints at other places, with their scores."""
    return jnp.concatenate([points.astype(joints.dtype), joints[..., 2:]], axis=-1)


def _scaled(joints: Joints, size: Size, to: Size) -> tuple[Joints, Size]:
    """The joints in frames of another size."""
    factor = to.astype(jnp.float32) / size.astype(jnp.float32)
    factor = factor[..., None, None, None, ::-1]
    return _with_points(joints, joints[..., :2] * factor), to


def _cropped(joints: Joints, corner: Size) -> Joints:
    """The joints seen from a corner, given as its row and column."""
    corner = corner[..., None, None, None, ::-1].astype(jnp.float32)
    return _with_points(joints, joints[..., :2] - corner)


def _check(joints: Array, size: Array) -> None:
    """Raises ValueError where the shapes disagree, instead of broadcasting."""
    if joints.ndim < 4 or joints.shape[-1] != 3 or 0 in joints.shape[-4:]:
        raise ValueError(f"joints have shape {joints.shape}, not [*B T M J 3]")
    if size.shape != (*joints.shape[:-4], 2):
        raise ValueError(
            f"size has shape {size.shape} where joints of shape {joints.shape} ask for "
            f"{(*joints.shape[:-4], 2)}"
        )

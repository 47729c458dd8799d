r"""Gaussian heatmaps of joints and limbs, drawn on the device from coordinates.

Pixel ``p`` lies at the coordinate ``p``. A pose weighs a few hundred times less than
its maps, so poses travel and the maps are drawn inside the jitted step. The defaults
draw what PoseC3D was trained on, pixel by pixel: a square window around each Gaussian
whose edges are rounded toward zero, joints of low score left out, very short limbs
drawn as their first joint. Every such rule is an option.
"""

import functools
import operator
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax.typing import DTypeLike

from kdjax import skeletons
from kdjax.maxima import larger
from kdjax.typing import Array, Bool, Float

FARTHEST = 1e6
"""Coordinates in pixels beyond which a limb's end is drawn no farther."""


def joint_heatmaps(
    joints: Float[Array, "*B T M J 3"],
    *,
    size: tuple[int, int],
    sigma: float = 0.6,
    truncate: float | None = 3.0,
    min_score: float = 1e-3,
    dtype: DTypeLike = jnp.float32,
) -> Float[Array, "*B T H W J"]:
    r"""A Gaussian at every joint, the highest person's where several overlap.

    .. math:: J_{y x k} = \max_m c_{mk}
        \exp\left(-\frac{(x - x_{mk})^2 + (y - y_{mk})^2}{2 \sigma^2}\right)

    within the window :math:`\mathrm{trunc}(\mu - r) \le p \le \mathrm{trunc}(\mu + r)`
    along either axis, :math:`r` being ``truncate * sigma``, and zero outside. Without
    the window this is the paper's equation 1, whose :math:`x` and :math:`y` are read
    the right way round here: rows are :math:`y`.

    Args:
      joints: x and y in pixels of the map, and a score in [0, 1], all finite
        (`kdjax.poses.check_joints`); a score of zero is a joint or a person that is not
        there, scores of one draw all peaks alike.
      size: height and width of the map in pixels.
      sigma: :math:`\sigma > 0`, the width of the Gaussian in pixels.
      truncate: half the window's width in sigmas; without it the Gaussian goes on.
      min_score: joints of a lower score are not drawn.
      dtype: of the result; everything before is computed in float32.

    Returns:
      Maps in [0, 1], differentiable in the coordinates but for the window's steps.

    Raises:
      ValueError: where the joints have another shape or an option is out of range.

    References:
      Duan, Zhao, Chen, Lin and Dai, *Revisiting Skeleton-based Action Recognition*,
      CVPR 2022, arXiv:2104.13586. Liu, Liu and Tian, *Cross-Modality Distillation for
      Multi-View Action Recognition*, IJCCC 20(6), 2025, equation 1.
    """
    _check(joints, size, sigma, truncate, min_score)
    joints = joints.astype(jnp.float32)
    x, y, score = joints[..., 0], joints[..., 1], joints[..., 2]
    reach = None if truncate is None else truncate * sigma
    score = jnp.where(score >= min_score, score, 0.0)[..., None, :]
    down = score * _gaussian(y, size[0], sigma, reach)
    along = _gaussian(x, size[1], sigma, reach)

    def person(m: int) -> Float[Array, "*B T H W J"]:
        return down[..., m, :, None, :] * along[..., m, None, :, :]

    return _highest(person, joints.shape[-3]).astype(dtype)


def limb_heatmaps(
    joints: Float[Array, "*B T M J 3"],
    *,
    limbs: Sequence[tuple[int, int]],
    size: tuple[int, int],
    sigma: float = 0.6,
    truncate: float | None = 3.0,
    min_score: float = 1e-3,
    min_length: float = 1.0,
    dtype: DTypeLike = jnp.float32,
) -> Float[Array, "*B T H W L"]:
    r"""A Gaussian of the distance to every limb, the highest person's where they meet.

    .. math:: L_{y x l} = \max_m \min(c_{ma}, c_{mb})
        \exp\left(-\frac{D((x, y), [a_m, b_m])^2}{2 \sigma^2}\right)

    with the distance :math:`D` to the segment between the limb's joints, within a
    window around both that is made as for joints. A limb shorter than `min_length` is
    drawn as its first joint, with this joint's score and window. Without window and
    `min_length` this is the paper's equation 2.

    Args:
      joints: x and y in pixels of the map, and a score in [0, 1], all finite.
      limbs: first and last joint of each limb, by index.
      size: height and width of the map in pixels.
      sigma: :math:`\sigma > 0`, the width of the Gaussian in pixels.
      truncate: half the width of a joint's window in sigmas; without it the Gaussian
        goes on.
      min_score: limbs with a joint of a lower score are not drawn.
      min_length: pixels, not negative; below it a limb is a point.
      dtype: of the result; everything before is computed in float32.

    Returns:
      Maps in [0, 1], one channel a limb; differentiable in the coordinates but for the
      steps of the window and at the length where a limb becomes a point.

    Raises:
      ValueError: where the joints have another shape, a limb names a joint that is not
        there, or an option is out of range.

    References:
      As `joint_heatmaps`; equation 2.
    """
    _check(joints, size, sigma, truncate, min_score)
    _check_limbs(limbs, joints.shape[-2], min_length)
    joints = joints.astype(jnp.float32)
    first, last = (joints[..., jnp.array(ends), :] for ends in zip(*limbs))
    least = jnp.minimum(first[..., 2], last[..., 2])
    start, end = (jnp.clip(p[..., :2], -FARTHEST, FARTHEST) for p in (first, last))
    short = jnp.sum((start - end) ** 2, axis=-1) < min_length**2
    score = jnp.where(short, first[..., 2], least)
    score = jnp.where(least >= min_score, score, 0.0)
    end = jnp.where(short[..., None], start, end)
    reach = None if truncate is None else truncate * sigma
    terms = _limb_terms(start, end, score, size, sigma, reach)
    return jnp.exp(_highest(terms, joints.shape[-3])).astype(dtype)


def mirror_heatmaps(
    maps: Float[Array, "*B H W C"], *, pairs: Sequence[tuple[int, int]]
) -> Float[Array, "*B H W C"]:
    """The maps of the mirrored pose: columns reversed, left and right exchanged.

    A joint at x appears at W - 1 - x. Flipping coordinates (`kdjax.poses.flip`) brings
    it to W - x, one pixel beside: PoseC3D trains with the one and tests with the other,
    and so both are kept.

    Args:
      maps: of joints or limbs.
      pairs: channels that a mirror exchanges: ``Topology.flip`` for joints,
        `kdjax.skeletons.limb_pairs` for limbs.

    Returns:
      The mirrored maps.

    Raises:
      ValueError: where a pair leaves the channels or two pairs share one.
    """
    order = skeletons.mirror_order(pairs, maps.shape[-1])
    return jnp.flip(maps, axis=-2)[..., jnp.array(order)]


def double_heatmaps(
    maps: Float[Array, "*B H W C"], *, pairs: Sequence[tuple[int, int]]
) -> Float[Array, "2 *B H W C"]:
    """The maps and their mirror image, over which a test averages its predictions.

    Args:
      maps: of joints or limbs.
      pairs: channels that a mirror exchanges, as for `mirror_heatmaps`.

    Returns:
      First the maps as they are, then mirrored.

    Raises:
      ValueError: where a pair leaves the channels or two pairs share one.
    """
    return jnp.stack([maps, mirror_heatmaps(maps, pairs=pairs)])


def _highest(person: Callable[[int], Array], count: int) -> Array:
    """Maximum over persons, unrolled: on CPUs a reduction is several times slower."""
    return functools.reduce(larger, map(person, range(count)))


def _pixels(length: int, ndim: int) -> Float[Array, "*one P 1"]:
    """Coordinates along an axis before the channels', all other axes of length one."""
    p = jnp.arange(length, dtype=jnp.float32)
    return p.reshape((1,) * (ndim - 2) + (length, 1))


def _inside(
    low: Float[Array, "*B J"],
    high: Float[Array, "*B J"],
    length: int,
    reach: float | None,
) -> Bool[Array, "*B P J"]:
    """Which pixels are in the window around an interval, its edges cut toward zero."""
    if reach is None:
        return jnp.ones((*low.shape[:-1], length, low.shape[-1]), bool)
    p = _pixels(length, low.ndim + 1)
    first, last = jnp.trunc(low - reach), jnp.trunc(high + reach)
    return (p >= first[..., None, :]) & (p <= last[..., None, :])


# XLA computes anew, for every pixel of the map, whatever is cheap. All that is made once
# a row or a column therefore ends in an exponential, a logarithm, a root or a division,
# which it stores: on CPUs the joints' maps are drawn two to four times faster so.


def _gaussian(
    mean: Float[Array, "*B M J"], length: int, sigma: float, reach: float | None
) -> Float[Array, "*B M P J"]:
    """One axis of the joints' Gaussians: a square window leaves them separable."""
    offset = _pixels(length, mean.ndim + 1) - mean[..., None, :]
    exponent = -(offset**2) / (2 * sigma**2)
    inside = _inside(mean, mean, length, reach)
    return jnp.exp(jnp.where(inside, exponent, -jnp.inf))


def _limb_terms(
    start: Float[Array, "*B M L 2"],
    end: Float[Array, "*B M L 2"],
    score: Float[Array, "*B M L"],
    size: tuple[int, int],
    sigma: float,
    reach: float | None,
) -> Callable[[int], Float[Array, "*B H W L"]]:
    """The logarithm of a person's maps, in lengths of sqrt(2) sigma.

    In the frame of the limb, along it and across it from its middle, both coordinates
    of a pixel are a column's term plus a row's.
    """
    dx, dy = end[..., 0] - start[..., 0], end[..., 1] - start[..., 1]
    # A point has no direction: any will do, and the root's slope stays finite.
    point = (dx == 0) & (dy == 0)
    dx = jnp.where(point, 1.0, dx)
    square = dx**2 + dy**2
    length = jnp.sqrt(2 * sigma**2 * square)[..., None, :]
    half = jnp.sqrt(jnp.where(point, 0.0, square) / (8 * sigma**2))
    middle = (start + end) / 2
    low, high = jnp.minimum(start, end), jnp.maximum(start, end)

    def axis(i: int, pixels: int):
        offset = _pixels(pixels, score.ndim + 1) - middle[..., None, :, i]
        inside = _inside(low[..., i], high[..., i], pixels, reach)
        x, y = offset * dx[..., None, :] / length, offset * dy[..., None, :] / length
        return x, y, inside

    column_x, column_y, in_column = axis(0, size[1])
    row_x, row_y, in_row = axis(1, size[0])
    column = jnp.log(in_column.astype(jnp.float32))
    row = jnp.log(jnp.where(in_row & (score > 0)[..., None, :], score[..., None, :], 0))

    def person(m: int) -> Float[Array, "*B H W L"]:
        def sum_of(columns, rows):
            return columns[..., m, None, :, :] + rows[..., m, :, None, :]

        along, across = sum_of(column_x, row_y), sum_of(column_y, -row_x)
        beyond = jnp.maximum(jnp.abs(along) - half[..., m, None, None, :], 0.0)
        return sum_of(column, row) - beyond**2 - across**2

    return person


def _check(
    joints: Array,
    size: tuple[int, int],
    sigma: float,
    truncate: float | None,
    min_score: float,
) -> None:
    """Raises ValueError where joints or options are not what the maps need."""
    if joints.ndim < 4 or joints.shape[-1] != 3 or 0 in joints.shape[-3:]:
        raise ValueError(f"joints have shape {joints.shape}, not [*B T M J 3]")
    if len(size) != 2 or any(operator.index(length) < 1 for length in size):
        raise ValueError(f"size is {size}, not a positive height and width")
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma} pixels, not positive")
    if truncate is not None and not truncate > 0:
        raise ValueError(f"truncate is {truncate} sigmas, not positive")
    if not min_score >= 0:
        raise ValueError(f"min_score is {min_score}, negative")


def _check_limbs(
    limbs: Sequence[tuple[int, int]], joints: int, min_length: float
) -> None:
    """Raises ValueError where a limb names a joint that is not there."""
    if not limbs:
        raise ValueError("there are no limbs to draw")
    for limb in limbs:
        if len(limb) != 2 or not all(0 <= joint < joints for joint in limb):
            raise ValueError(f"limb {limb} names no two of the {joints} joints")
    if not min_length >= 0:
        raise ValueError(f"min_length is {min_length} pixels, negative")

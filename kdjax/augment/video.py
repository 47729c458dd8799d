"""Clips of several cameras, cropped, mirrored and scaled on the device.

Pixels travel as bytes and stay bytes until `normalise`. Every clip of every view draws
for itself, and all frames of a clip are treated alike.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax import poses, skeletons
from kdjax.typing import VIEWED, Array, Batch, Float, PRNGKeyArray


def main_view(
    batch: Batch, *, names: Sequence[str] = VIEWED, squeeze: bool = True
) -> Batch:
    """The last view alone, its axis gone: what a network of one camera reads.

    Args:
      batch: with arrays ``[B V ...]`` under keys of `kdjax.typing.VIEWED`.
      names: those keys that lose the axis; a student that leaves it to its teacher's
        modality hands that one on.
      squeeze: without it the axis stays, one long: what is then drawn for every view
        is drawn for this one, and no other is cut and mirrored in vain.

    Returns:
      The same with ``[B ...]``, or ``[B 1 ...]``.
    """
    last = -1 if squeeze else slice(-1, None)
    return {k: v[:, last] if k in names else v for k, v in batch.items()}


def _check_crop(array: Array, name: str, size: tuple[int, int]) -> None:
    """Refuses a crop that is larger than the picture."""
    height, width = array.shape[-3:-1]
    if not (0 < size[0] <= height and 0 < size[1] <= width):
        raise ValueError(f"{name} of {height}x{width} pixels has no crop of {size}")


def random_crop(
    key: PRNGKeyArray, batch: Batch, *, name: str, size: tuple[int, int]
) -> Batch:
    """Cuts a window of fixed size out of each clip at a random place.

    Args:
      key: random key.
      batch: holds `name`, ``[B V T H W C]``.
      name: the modality that is cropped.
      size: height and width in pixels.

    Returns:
      The batch with one entry replaced.

    Raises:
      ValueError: where the picture is smaller.
    """
    array = batch[name]
    _check_crop(array, name, size)
    views, space = array.shape[:2], array.shape[-3:-1]
    limit = jnp.array([whole - part + 1 for whole, part in zip(space, size)])
    corners = jax.random.randint(key, (*views, 2), 0, limit[None, None])

    def cut(clip, corner):
        start = (0, corner[0], corner[1], 0)
        return jax.lax.dynamic_slice(
            clip, start, (clip.shape[0], *size, clip.shape[-1])
        )

    return {**batch, name: jax.vmap(jax.vmap(cut))(array, corners)}


def center_crop(batch: Batch, *, name: str, size: tuple[int, int]) -> Batch:
    """Cuts the middle out of each clip.

    Args:
      batch: holds `name`, ``[... H W C]``.
      name: the modality that is cropped.
      size: height and width in pixels.

    Returns:
      The batch with one entry replaced.

    Raises:
      ValueError: where the picture is smaller.
    """
    array = batch[name]
    _check_crop(array, name, size)
    top, left = ((whole - part) // 2 for whole, part in zip(array.shape[-3:-1], size))
    middle = array[..., top : top + size[0], left : left + size[1], :]
    return {**batch, name: middle}


def random_resized_crop(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    name: str,
    size: tuple[int, int],
    area: tuple[float, float] = (0.5, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Batch:
    """Cuts a random part out of each clip and scales it, bilinear, to a fixed size.

    Args:
      key: random key.
      batch: holds `name`, ``[B V T H W C]``.
      name: the modality that is cropped.
      size: height and width of the result in pixels.
      area: range of the part's area as a share of the picture's, within (0, 1].
      aspect: range of its width over its height, drawn evenly in the logarithm; a part
        that would be too wide or too high is cut off at the picture.

    Returns:
      The batch with one entry replaced, of the same type.

    Raises:
      ValueError: where a range is none.
    """
    if not 0 < area[0] <= area[1] <= 1 or not 0 < aspect[0] <= aspect[1]:
        raise ValueError(f"no parts have areas in {area} and aspects in {aspect}")
    array = batch[name]
    views, (height, width) = array.shape[:2], array.shape[-3:-1]
    area_key, aspect_key, place_key = jax.random.split(key, 3)
    share = jax.random.uniform(area_key, views, minval=area[0], maxval=area[1])
    low, high = math.log(aspect[0]) / 2, math.log(aspect[1]) / 2
    root = jnp.exp(jax.random.uniform(aspect_key, views, minval=low, maxval=high))
    side = jnp.sqrt(share * height * width)
    part = jnp.stack(
        [jnp.minimum(side / root, height), jnp.minimum(side * root, width)], -1
    )
    whole = jnp.array([height, width], jnp.float32)
    corner = jax.random.uniform(place_key, part.shape) * (whole[None, None] - part)
    return {**batch, name: resampled(array, corner, part, size=size)}


def resampled(
    array: Array,
    corner: Float[Array, "B V 2"],
    part: Float[Array, "B V 2"],
    *,
    size: tuple[int, int],
) -> Array:
    """Cuts a part out of each clip and scales it, bilinear, to a fixed size.

    Args:
      array: ``[B V T H W C]``.
      corner: top and left of the part, in pixels.
      part: its height and width, in pixels.
      size: height and width of the result in pixels.

    Returns:
      ``[B V T h w C]`` of the same type; where there are fewer pixels than before they
      are averaged.
    """
    scale = jnp.array(size, jnp.float32)[None, None] / part

    def cut(clip, scale, corner):
        shape = (clip.shape[0], *size, clip.shape[-1])
        return jax.image.scale_and_translate(
            clip.astype(jnp.float32), shape, (1, 2), scale, -corner * scale, "linear"
        )

    cropped = jax.vmap(jax.vmap(cut))(array, scale, corner)
    if jnp.issubdtype(array.dtype, jnp.integer):
        cropped = jnp.round(cropped)
    return cropped.astype(array.dtype)


def random_flip(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    names: Sequence[str],
    probability: float = 0.5,
    topology: str = "",
    frame: tuple[int, int] = (0, 0),
) -> Batch:
    """Mirrors some of the clips, every modality of a view with one coin.

    Args:
      key: random key.
      batch: holds `names`, ``[B V T H W C]`` and perhaps ``joints``.
      names: what is mirrored; poses among them turn with their picture.
      probability: share of the clips that are mirrored.
      topology: of the joints, where they are named.
      frame: height and width of the picture that the joints are in.

    Returns:
      The batch with those entries replaced.
    """
    first = batch[names[0]]
    coin = jax.random.bernoulli(key, probability, first.shape[:2])

    def mirrored(name, array):
        if name == "joints":
            size = jnp.broadcast_to(jnp.array(frame), (*array.shape[:2], 2))
            return poses.flip(array, size, pairs=skeletons.get(topology).flip)
        return array[..., ::-1, :]

    def either(name, array):
        heads = coin.reshape(coin.shape + (1,) * (array.ndim - 2))
        return jnp.where(heads, mirrored(name, array), array)

    return {**batch, **{name: either(name, batch[name]) for name in names}}


def normalise(
    batch: Batch,
    *,
    name: str,
    to: str = "",
    mean: Sequence[float] = (0.5,),
    deviation: Sequence[float] = (0.5,),
) -> Batch:
    r"""Bytes as numbers, :math:`(u / 255 - \mu) / \sigma`, by default in [-1, 1].

    Args:
      batch: holds `name`, bytes ``[... C]``.
      name: the modality.
      to: key of what comes out, that of `name` without it. A teacher that reads the same
        modality prepares it itself, and must still find the bytes there.
      mean: :math:`\mu` of each channel, or one for all. A picture of one channel
        becomes as many as there are: grey as weights of coloured pictures want it.
      deviation: :math:`\sigma`, likewise.

    Returns:
      The batch with one entry in float32.

    Raises:
      ValueError: where their numbers are not that of the channels, or the pictures are no
        bytes, as after they were normalised.
    """
    array = _bytes(batch, name)
    channels = {array.shape[-1], len(mean), len(deviation)} - {1}
    if len(channels) > 1:
        raise ValueError(
            f"{name} of {array.shape[-1]} channels has {len(mean)} means and "
            f"{len(deviation)} deviations"
        )
    scale = 1.0 / (255.0 * jnp.array(deviation, jnp.float32))
    shift = jnp.array(mean, jnp.float32) / jnp.array(deviation, jnp.float32)
    # Axes by hand: shapes of different ranks are not broadcast silently.
    scale, shift = (x.reshape((1,) * (array.ndim - 1) + (-1,)) for x in (scale, shift))
    return {**batch, to or name: array.astype(jnp.float32) * scale - shift}


def without_background(
    batch: Batch,
    *,
    name: str,
    to: str = "",
    mask: str = "present",
    deviation: float = 0.1,
) -> Batch:
    r"""What differs from the scene of a camera that stands still.

    .. math:: x_t = (u_t - \operatorname{median}_{t'} u_{t'}) / (255 \sigma)

    A person who stays for less than half of the clip is left alone before nothing; noise
    stays as it is. Of an even number of frames the median is the lower of two.

    Args:
      batch: holds `name`, bytes ``[B V T H W C]``, and `mask`.
      name: the modality.
      to: key of what comes out, see `normalise`.
      mask: key of ``[B V T]``, 1 for a frame that is there. Others become zero and do not
        enter the median.
      deviation: :math:`\sigma`.

    Returns:
      The batch with one entry in float32.

    Raises:
      ValueError: where the pictures are no bytes.

    References:
      Piccardi, *Background subtraction techniques: a review*, SMC 2004, of which it is
      the temporal median filter.
    """
    array, there = _bytes(batch, name), batch[mask] > 0
    there = there.reshape(*there.shape, *(1,) * (array.ndim - there.ndim))
    rank = (jnp.sum(there, axis=2, keepdims=True) - 1) // 2
    # The largest number that no more than `rank` are below, bit by bit: to sort takes
    # longer than all the rest of a small network's step on a CPU.
    scene = jnp.zeros_like(array[:, :, :1])
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        larger = scene + jnp.uint8(bit)
        below = jnp.sum(there & (array < larger), axis=2, keepdims=True)
        scene = jnp.where(below <= rank, larger, scene)
    moved = array.astype(jnp.float32) - scene.astype(jnp.float32)
    return {**batch, to or name: jnp.where(there, moved, 0.0) / (255.0 * deviation)}


def _bytes(batch: Batch, name: str) -> Array:
    """Pictures as they are stored; ValueError where they have become numbers."""
    if batch[name].dtype != jnp.uint8:
        raise ValueError(f"{name} has numbers of {batch[name].dtype}, not bytes")
    return batch[name]


def clips(batch: Batch, *, names: Sequence[str], count: int) -> Batch:
    """Gives the clips of an evaluation, which follow each other in time, an axis.

    Args:
      batch: holds `names`, ``[B clips*T ...]``.
      names: the modalities.
      count: of the clips.

    Returns:
      The batch with ``[B clips T ...]``, as `kdjax.core.Network` averages over.

    Raises:
      ValueError: where the frames do not divide by the clips.
    """

    def split(name):
        array = batch[name]
        if array.shape[1] % count:
            raise ValueError(f"{array.shape[1]} frames of {name} make no {count} clips")
        return array.reshape(array.shape[0], count, -1, *array.shape[2:])

    return {**batch, **{name: split(name) for name in names}}


def double(batch: Batch, *, name: str) -> Batch:
    """Adds the mirror image of every clip, as another clip.

    Args:
      batch: holds `name`, ``[B clips T H W C]``.
      name: the modality.

    Returns:
      The batch with ``[B 2*clips T H W C]``.
    """
    array = batch[name]
    return {**batch, name: jnp.concatenate([array, array[..., ::-1, :]], axis=1)}

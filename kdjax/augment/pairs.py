"""Pictures that two cameras took of one performance, cropped alike.

The cameras may differ in size: what is drawn are shares of a picture.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax.augment import video
from kdjax.typing import Array, Batch, Float, PRNGKeyArray

SCALES = (1.0, 0.875, 0.75, 0.66)
"""Sides of a part as shares of the picture's short side, as in TSN's own code."""

PLACES = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)
"""Top and left of a part in quarters of the room it has: the corners, the middle, and
eight places between."""


def multi_scale_crop(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    names: Sequence[str],
    size: tuple[int, int],
    scales: Sequence[float] = SCALES,
    distortion: int = 1,
) -> Batch:
    """Cuts a part of one of a few sizes at one of 13 places and scales it.

    All modalities of a view share what is drawn, each as shares of its own picture.

    Args:
      key: random key.
      batch: holds `names`, ``[B V T H W C]``.
      names: the modalities that are cropped.
      size: height and width of the result in pixels.
      scales: sides of a part as shares of the short side.
      distortion: how many places height and width may lie apart in `scales`.

    Returns:
      The batch with those entries replaced, of the same types.

    References:
      Wang et al., *Temporal Segment Networks: Towards Good Practices for Deep Action
      Recognition*, ECCV 2016, arXiv:1608.00859; places and sizes as in its public code.
    """
    shapes = [
        (high, wide)
        for i, high in enumerate(scales)
        for j, wide in enumerate(scales)
        if abs(i - j) <= distortion
    ]
    shape_key, place_key = jax.random.split(key)
    views = batch[names[0]].shape[:2]
    shape = jax.random.randint(shape_key, views, 0, len(shapes))
    place = jax.random.randint(place_key, views, 0, len(PLACES))
    share, quarter = jnp.array(shapes)[shape], jnp.array(PLACES)[place]

    def cropped(array):
        corner, part = window(array.shape[-3:-1], share, quarter)
        return video.resampled(array, corner, part, size=size)

    return {**batch, **{name: cropped(batch[name]) for name in names}}


def window(
    space: tuple[int, int], share: Float[Array, "B V 2"], quarter: Array
) -> tuple[Float[Array, "B V 2"], Float[Array, "B V 2"]]:
    """A part in pixels of one picture.

    Args:
      space: height and width of the picture.
      share: height and width of the part as shares of the picture's short side.
      quarter: top and left in quarters of the room that is left.

    Returns:
      Corner and size in whole pixels.
    """
    whole = jnp.array(space, jnp.float32)[None, None]
    # A little more than the product: 0.875 of 256 are 224 pixels however it is rounded.
    part = jnp.maximum(jnp.floor(share * min(space) + 1e-3), 1.0)
    return quarter * jnp.floor((whole - part) / 4), part


def middle(batch: Batch, *, name: str, short: int, size: tuple[int, int]) -> Batch:
    """Scales pictures, bilinear, to a short side and cuts out their middle.

    Pictures that have the crop's size already, as training cuts them, stay as they are:
    a teacher is shown by this step what its student sees.

    Args:
      batch: holds `name`, ``[... H W C]``.
      name: the modality.
      short: its short side in pixels before the crop.
      size: height and width of the crop in pixels.

    Returns:
      The batch with one entry replaced, of the same type.

    Raises:
      ValueError: where the scaled picture is smaller than the crop.
    """
    array = batch[name]
    *leading, height, width, channels = array.shape
    if (height, width) == tuple(size):
        return batch
    ratio = short / min(height, width)
    shape = (*leading, round(height * ratio), round(width * ratio), channels)
    scaled = jax.image.resize(array.astype(jnp.float32), shape, "linear")
    if jnp.issubdtype(array.dtype, jnp.integer):
        scaled = jnp.round(scaled)
    whole = {**batch, name: scaled.astype(array.dtype)}
    return video.center_crop(whole, name=name, size=size)

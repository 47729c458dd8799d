"""Pictures as a grid of square patches, each of which becomes a token."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype

from kdjax.models.layers import conv_of_pictures, on_each_platform
from kdjax.typing import Array, Float


def cut(
    x: Float[Array, "B H W C"], patch: int, strides: tuple[int, int]
) -> Float[Array, "B R S P"]:
    """Cuts pictures into squares.

    Args:
      x: pictures.
      patch: pixels along a side.
      strides: pixels from patch to patch, down and across.

    Returns:
      Rows and columns of patches; pixels in the order (row, column, channel). What is
      left over at the end of a side is in no patch.
    """
    batch, *sides, channels = x.shape
    down, across = (
        np.arange(0, side - patch + 1, stride)[:, None] + np.arange(patch)
        for side, stride in zip(sides, strides)
    )
    if strides == (patch, patch):
        x = x[:, : down.size, : across.size]
    else:
        x = x[:, down.ravel()][:, :, across.ravel()]
    x = x.reshape(batch, len(down), patch, len(across), patch, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, len(down), len(across), -1)


def _by_product(
    x: Array, kernel: Array, *, patch: int, strides: tuple[int, int]
) -> Array:
    """A copy and one matrix product: a CPU takes longer over the convolution."""
    x = cut(x, patch, strides)
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], -1)


def _by_convolution(
    x: Array, kernel: Array, *, patch: int, strides: tuple[int, int]
) -> Array:
    """The copy takes a TPU many times longer (`benchmarks.tpu_lowerings`)."""
    window = kernel.reshape(patch, patch, x.shape[-1], -1)
    return conv_of_pictures(x, window, strides, "VALID")


class Embedding(nn.Module):
    """A linear map of every patch; the parameters are those of `flax.linen.Dense`.

    Attributes:
      width: D, of a token.
      patch: pixels along a patch's side.
      strides: pixels from patch to patch, down and across.
      dtype: of the computation.
    """

    width: int
    patch: int
    strides: tuple[int, int]
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B R S D"]:
        """Embeds the patches of pictures, see `cut`.

        Raises:
          ValueError: where a side is shorter than a patch.
        """
        if min(x.shape[1:3]) < self.patch:
            raise ValueError(
                f"a picture of {x.shape[1]}x{x.shape[2]} has no patch of {self.patch}"
            )
        shape = (self.patch**2 * x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=jnp.dtype(self.dtype))
        options = dict(patch=self.patch, strides=self.strides)
        embed = on_each_platform(_by_product, _by_convolution, **options)
        return embed(x, kernel) + bias.reshape(1, 1, 1, -1)

"""A small convolutional encoder of pictures or spectrograms, for small data."""

import flax.linen as nn
import jax.numpy as jnp

from kdjax.models import remat
from kdjax.models.layers import on_rows
from kdjax.typing import Array, Float

POOLS = {"mean": jnp.mean, "max": jnp.max}


class Encoder(nn.Module):
    """3x3 convolutions that halve the picture, each normalised in groups of channels.

    Statistics are those of one picture, so that neither the batch nor its padding enters
    the features.

    Attributes:
      widths: channels after each convolution, divisible by `groups`.
      width: D, of the output.
      groups: of channels that are normalised together.
      grey: whether what comes has no axis of channels, as spectrograms.
      pool: what is left of a channel, its ``mean`` or its ``max`` over the picture, which
        keeps what is small.
      dtype: of the computation; parameters, statistics and the output are float32.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.

    References:
      Wu and He, *Group Normalization*, ECCV 2018, arXiv:1803.08494.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    width: int = 64
    groups: int = 4
    grey: bool = False
    pool: str = "mean"
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(self, x: Float[Array, "..."], *, train: bool) -> Float[Array, "*N D"]:
        """One vector a picture.

        Args:
          x: pictures ``[*N H W C]``, or with `grey` spectrograms ``[*N F Q]``.
          train: changes nothing; every encoder takes it.

        Returns:
          Features.

        Raises:
          ValueError: where the pool is unknown.
        """
        del train
        if self.pool not in POOLS:
            raise ValueError(f"no pool {self.pool!r}: one of {', '.join(POOLS)}")
        x = x[..., None] if self.grey else x
        lead, x = x.shape[:-3], x.reshape(-1, *x.shape[-3:])
        for i, width in enumerate(self.widths, start=1):
            options = dict(number=i, width=width)
            x = remat.run(self, x, policy=self.remat, method="_block", **options)
        x = POOLS[self.pool](x.astype(jnp.float32), axis=(1, 2))
        x = on_rows(nn.Dense(self.width, name="output"), x)
        return x.reshape(*lead, self.width)

    def _block(self, x: Array, *, number: int, width: int) -> Float[Array, "N H W C"]:
        """Convolution, normalisation and ReLU."""
        x = nn.Conv(
            width,
            (3, 3),
            strides=(2, 2),
            padding=[(1, 1), (1, 1)],
            use_bias=False,  # the normalisation has one
            dtype=self.dtype,
            name=f"conv{number}",
        )(x)
        normalise = nn.GroupNorm(
            self.groups, use_fast_variance=False, name=f"norm{number}"
        )
        return nn.relu(normalise(x))

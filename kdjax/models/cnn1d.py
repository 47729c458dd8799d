"""A compact one-dimensional convolutional network over sensor or skeleton sequences."""

import flax.linen as nn
import jax.numpy as jnp

from kdjax.maxima import larger
from kdjax.models import kinematics, remat
from kdjax.models.layers import Head, Outputs, batch_norm, concatenate
from kdjax.typing import Array, Float


def halve(x: Float[Array, "B T C"]) -> Float[Array, "B U C"]:
    """Maximum of each two steps in a row; an odd last step is dropped.

    XLA's CPU runs the gradient of `nn.max_pool`, a scatter, more slowly.
    """
    batch, steps, channels = x.shape
    pairs = x[:, : steps // 2 * 2].reshape(batch, steps // 2, 2, channels)
    return larger(pairs[:, :, 0], pairs[:, :, 1])


class Model(nn.Module):
    """Blocks of convolution, batch normalisation, ReLU and pooling by two; then a mean.

    The default is the accelerometer student. On skeleton, or skeleton and accelerometer
    side by side, the same network is a strong teacher.

    Attributes:
      num_classes: K.
      widths: channels of each block.
      kernel: steps of each convolution, odd; padding is symmetric.
      strides: of each block's convolution; all one without it.
      pools: which blocks end with pooling; all without it.
      hidden: width d0 of fc0, see `Head`.
      dropout: rate on what the last layers read.
      derive: add the channels of `kinematics`, and normalise the input; then recordings
        come in physical units, so that an augmentation can turn or scale them.
      dtype: of the feature maps; parameters, statistics, features and logits are float32.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.
    """

    num_classes: int
    widths: tuple[int, ...] = (64, 64, 128, 128)
    kernel: int = 7
    strides: tuple[int, ...] | None = None
    pools: tuple[bool, ...] | None = None
    hidden: int | None = 256
    dropout: float = 0.0
    derive: bool = False
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(self, *streams: Float[Array, "B T ..."], train: bool) -> Outputs:
        """Classifies sequences.

        Args:
          *streams: arrays ``[B T ...]``; see `concatenate`.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``features``, ``hidden`` and as ``stages`` every block's output,
          by default ``[B T/2 C]``, ``[B T/4 C]`` and so on.

        Raises:
          ValueError: where the kernel is even, the sequence too short to be halved, or
            strides or pools are not one a block.
        """
        x = concatenate(kinematics.derive(streams) if self.derive else streams)
        if self.derive:
            norm = batch_norm(train, "norm0", use_scale=False, use_bias=False)
            x = norm(x)
        stages = []
        for i, (width, stride, pools) in enumerate(self._blocks(x.shape[1]), start=1):
            options = dict(number=i, width=width, stride=stride, train=train)
            x = remat.run(self, x, policy=self.remat, method="_block", **options)
            x = halve(x) if pools else x
            stages.append(x)
        head = Head(self.num_classes, self.hidden, self.dropout, name="head")
        return head(x.mean(axis=1, dtype=jnp.float32), stages, train=train)

    def _block(
        self, x: Array, *, number: int, width: int, stride: int, train: bool
    ) -> Float[Array, "B T C"]:
        """Convolution, normalisation and ReLU."""
        x = nn.Conv(
            width,
            (self.kernel,),
            strides=stride,
            padding=[(self.kernel // 2,) * 2],
            use_bias=False,  # the normalisation has one
            dtype=self.dtype,
            name=f"conv{number}",
        )(x)
        norm = batch_norm(train, f"norm{number}", dtype=self.dtype)
        return nn.relu(norm(x))

    def _blocks(self, steps: int) -> list[tuple[int, int, bool]]:
        """Width, stride and pooling of every block, checked."""
        count = len(self.widths)
        strides = (1,) * count if self.strides is None else self.strides
        pools = (True,) * count if self.pools is None else self.pools
        if len(strides) != count or len(pools) != count:
            raise ValueError(
                f"{count} blocks, but {len(strides)} strides and {len(pools)} pools"
            )
        if self.kernel % 2 == 0:
            raise ValueError(
                f"kernel is {self.kernel}: only odd ones pad symmetrically"
            )
        shrinks = 1
        for stride, pool in zip(strides, pools):
            shrinks *= stride * (2 if pool else 1)
        if steps < shrinks:
            raise ValueError(f"{steps} steps cannot be shrunk {shrinks} times")
        return list(zip(self.widths, strides, pools))

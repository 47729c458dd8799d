"""A compact one-dimensional convolutional network over sensor or skeleton sequences."""

import flax.linen as nn

from kdjax.models.layers import Head, Outputs, batch_norm, concatenate
from kdjax.typing import Array, Float


def halve(x: Float[Array, "B T C"]) -> Float[Array, "B U C"]:
    """Maximum of each two steps in a row; an odd last step is dropped.

    A reshape and a maximum: XLA's CPU runs the gradient of `nn.max_pool`, a scatter,
    more slowly.
    """
    batch, steps, channels = x.shape
    pairs = x[:, : steps // 2 * 2].reshape(batch, steps // 2, 2, channels)
    return pairs.max(axis=2)


class Model(nn.Module):
    """Blocks of convolution, batch normalisation, ReLU and pooling by two; then a mean.

    The default is the accelerometer student. On skeleton, or skeleton and accelerometer
    side by side, the same network is a strong teacher.

    Attributes:
      num_classes: K.
      widths: channels of each block.
      kernel: steps of each convolution, odd; padding is symmetric.
      hidden: width d0 of fc0, see `Head`.
      dropout: rate on what the last layer reads.
    """

    num_classes: int
    widths: tuple[int, ...] = (64, 64, 128, 128)
    kernel: int = 7
    hidden: int | None = 256
    dropout: float = 0.0

    @nn.compact
    def __call__(self, *streams: Float[Array, "B T ..."], train: bool) -> Outputs:
        """Classifies sequences.

        Args:
          *streams: arrays ``[B T ...]``; see `concatenate`.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``features``, ``hidden`` and as ``stages`` every block's output,
          ``[B T/2 C]``, ``[B T/4 C]`` and so on.

        Raises:
          ValueError: where the kernel is even or the sequence too short to be halved.
        """
        x = concatenate(streams)
        if self.kernel % 2 == 0:
            raise ValueError(
                f"kernel is {self.kernel}: only odd ones pad symmetrically"
            )
        if x.shape[1] < 2 ** len(self.widths):
            raise ValueError(
                f"{x.shape[1]} steps cannot be halved {len(self.widths)} times"
            )
        pad, stages = self.kernel // 2, []
        for i, width in enumerate(self.widths, start=1):
            x = nn.Conv(
                width,
                (self.kernel,),
                padding=[(pad, pad)],
                use_bias=False,  # the normalisation has one
                name=f"conv{i}",
            )(x)
            x = halve(nn.relu(batch_norm(train, f"norm{i}")(x)))
            stages.append(x)
        head = Head(self.num_classes, self.hidden, self.dropout, name="head")
        return head(x.mean(axis=1), stages, train=train)

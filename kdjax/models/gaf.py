"""Sensor sequences as Gramian angular field images, and a small network over them."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from kdjax.models import remat
from kdjax.models.layers import Head, Outputs, batch_norm, concatenate
from kdjax.typing import Array, Float


def segment_means(x: Float[Array, "*B T S"], size: int) -> Float[Array, "*B N S"]:
    """Piecewise aggregate approximation: means over equal stretches of time.

    Args:
      x: sequences.
      size: number N of stretches; one that ends inside a step takes its share of it.

    Returns:
      One value a stretch and channel.
    """
    steps = x.shape[-2]
    edges = np.arange(size + 1) * steps / size
    start, end = edges[:-1, None], edges[1:, None]
    step = np.arange(steps)[None]
    overlap = np.minimum(end, step + 1) - np.maximum(start, step)
    weight = np.maximum(overlap, 0.0) / (end - start)
    return jnp.einsum("nt,...ts->...ns", weight.astype(np.float32), x)


def rescale(x: Float[Array, "*B T S"]) -> Float[Array, "*B T S"]:
    """Each channel mapped linearly onto [-1, 1] over its own time; a constant one to 0."""
    low, high = x.min(axis=-2, keepdims=True), x.max(axis=-2, keepdims=True)
    varies = high - low > 1e-6
    span = jnp.where(varies, high - low, 1.0)
    return jnp.where(varies, 2.0 * (x - low) / span - 1.0, 0.0)


def gasf(x: Float[Array, "*B T S"]) -> Float[Array, "*B T T S"]:
    r"""Gramian angular summation field, one image a channel.

    .. math:: G_{ij} = \cos(\phi_i + \phi_j)
       = x_i x_j - \sqrt{1 - x_i^2} \sqrt{1 - x_j^2}, \quad \phi = \arccos x

    Args:
      x: sequences in [-1, 1]; values beyond are clipped. The gradient is finite at the
        ends, where that of the root is not.

    Returns:
      Images with the channels last.

    References:
      Wang and Oates, *Imaging Time-Series to Improve Classification and Imputation*,
      IJCAI 2015, arXiv:1506.00327.
    """
    x = jnp.clip(x.astype(jnp.float32), -1.0, 1.0)
    rest = 1.0 - x * x
    inside = rest > 0.0
    sine = jnp.where(inside, jnp.sqrt(jnp.where(inside, rest, 1.0)), 0.0)
    return x[..., :, None, :] * x[..., None, :, :] - (
        sine[..., :, None, :] * sine[..., None, :, :]
    )


class Model(nn.Module):
    """The field of every channel as an image, 3x3 convolutions, then the classifier.

    Attributes:
      num_classes: K.
      size: edge of the image in pixels, the number of stretches of time.
      widths: channels of each block of convolution, batch normalisation, ReLU and
        pooling by two.
      hidden: width d0 of fc0, see `Head`.
      dropout: rate on what the last layer reads.
      dtype: of the feature maps; parameters, statistics, features and logits are float32.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.
    """

    num_classes: int
    size: int = 64
    widths: tuple[int, ...] = (16, 32, 64, 128)
    hidden: int | None = 256
    dropout: float = 0.0
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(self, *streams: Float[Array, "B T ..."], train: bool) -> Outputs:
        """Classifies sequences.

        Args:
          *streams: arrays ``[B T ...]``; see `concatenate`.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``features``, ``hidden`` and as ``stages`` every block's output
          ``[B H W C]``.

        Raises:
          ValueError: where the image is too small to be halved that often.
        """
        if self.size < 2 ** len(self.widths):
            raise ValueError(
                f"an image of {self.size} pixels cannot be halved "
                f"{len(self.widths)} times"
            )
        x = gasf(rescale(segment_means(concatenate(streams), self.size)))
        stages = []
        for i, width in enumerate(self.widths, start=1):
            options = dict(number=i, width=width, train=train)
            x = remat.run(self, x, policy=self.remat, method="_block", **options)
            stages.append(x)
        head = Head(self.num_classes, self.hidden, self.dropout, name="head")
        return head(x.mean(axis=(1, 2), dtype=jnp.float32), stages, train=train)

    def _block(
        self, x: Array, *, number: int, width: int, train: bool
    ) -> Float[Array, "B H W C"]:
        """Convolution, normalisation, ReLU and pooling."""
        x = nn.Conv(
            width,
            (3, 3),
            padding=[(1, 1), (1, 1)],
            use_bias=False,  # the normalisation has one
            dtype=self.dtype,
            name=f"conv{number}",
        )(x)
        x = nn.relu(batch_norm(train, f"norm{number}", dtype=self.dtype)(x))
        return nn.max_pool(x, (2, 2), strides=(2, 2))

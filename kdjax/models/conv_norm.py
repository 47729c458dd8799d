"""The unit of convolutional networks: convolution, batch normalisation, ReLU, maxima."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from kdjax.models.conv3d import Conv, Padding, Triple, max_pool
from kdjax.models.layers import batch_norm
from kdjax.typing import Array, Float


class Windows(NamedTuple):
    """Of which the maxima are taken, see `kdjax.models.conv3d.max_pool`."""

    window: Triple
    strides: Triple
    padding: Padding = "SAME"


class NormOfMaxima(nn.Module):
    r"""Batch normalisation of a map and of the maxima of its windows, computed apart.

    .. math:: \max_p \gamma \hat x_p + \beta
        = \gamma s \max_p s \hat x_p + \beta, \qquad s = \operatorname{sign} \gamma

    Maxima found before the normalisation are those after it, so that a network that reads
    them alone need not normalise the map, the largest that it has: a stem of ResNet-18 is
    expected to take a TPU 0.56 times as long (`benchmarks.tpu_lowerings`).

    Parameters and statistics are those of `kdjax.models.layers.batch_norm`.

    Attributes:
      windows: of the maxima.
      scale_init: of the gain.
      momentum: share of the running statistics that a step keeps.
      epsilon: added to the variance.
      dtype: of both outputs, by default that of the input; all else is float32.
      axis_name: named axis that batch statistics are taken over as well.
    """

    windows: Windows
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = None
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T H W C"], *, train: bool
    ) -> tuple[Float[Array, "B T H W C"], Float[Array, "B T_out H_out W_out C"]]:
        """Normalises clips by statistics of all their positions.

        Args:
          x: clips.
          train: batch statistics, and the running ones updated; else the running ones.

        Returns:
          The map, and the maxima of its windows.
        """
        channels = x.shape[-1:]
        scale = self.param("scale", self.scale_init, channels)
        bias = self.param("bias", nn.initializers.zeros, channels)
        # Where the gain is zero its gradient is that of the largest.
        sign = jnp.where(scale < 0, -1.0, 1.0)
        # All that follows reads this, which a compiler makes as it convolves.
        turned = x * _of_channels(sign).astype(x.dtype)
        mean, variance = self._statistics(turned, sign, train)
        gain = _of_channels(lax.rsqrt(variance + self.epsilon) * scale * sign)
        mean, bias = _of_channels(mean * sign), _of_channels(bias)
        maxima = max_pool(turned, **self.windows._asdict())
        dtype = self.dtype or x.dtype
        whole, chosen = (
            ((y - mean) * gain + bias).astype(dtype) for y in (turned, maxima)
        )
        return whole, chosen

    def _statistics(
        self, turned: Array, sign: Array, train: bool
    ) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
        """Mean and biased variance of each channel, of the batch or the running ones."""
        kept = (
            self.variable("batch_stats", "mean", jnp.zeros, sign.shape),
            self.variable("batch_stats", "var", jnp.ones, sign.shape),
        )
        if not train:
            return kept[0].value, kept[1].value
        wide, axes = turned.astype(jnp.float32), tuple(range(turned.ndim - 1))
        moments = jnp.stack([wide.mean(axes) * sign, jnp.square(wide).mean(axes)])
        if self.axis_name is not None and not self.is_initializing():
            moments = lax.pmean(moments, self.axis_name)
        mean, square = moments
        found = mean, jnp.maximum(square - jnp.square(mean), 0.0)
        if not self.is_initializing():
            for old, new in zip(kept, found):
                old.value = self.momentum * old.value + (1 - self.momentum) * new
        return found


def _of_channels(x: Float[Array, "C"]) -> Float[Array, "1 1 1 1 C"]:
    """One number each for clips."""
    return x.reshape(1, 1, 1, 1, -1)


class ConvNorm(nn.Module):
    """A convolution without bias, batch normalisation and ReLU.

    Attributes:
      features: output channels.
      kernel_size: in time, height and width.
      strides: in time, height and width.
      padding: see `kdjax.models.conv3d.conv`.
      activate: end with the ReLU; a branch that is added to another one does not.
      windows: also return the maxima of these; see `NormOfMaxima`.
      kernel_init: of the convolution.
      scale_init: of the normalisation's gain.
      momentum: see `kdjax.models.layers.batch_norm`.
      epsilon: see `kdjax.models.layers.batch_norm`.
      dtype: of the computation; statistics and parameters stay float32.
      norm_axis: named axis that batch statistics are taken over as well.
    """

    features: int
    kernel_size: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: Padding = "SAME"
    activate: bool = True
    windows: Windows | None = None
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = None
    norm_axis: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T H W C"], *, train: bool
    ) -> Float[Array, "B T_out H_out W_out D"] | tuple[Array, Array]:
        """Convolves and normalises clips.

        Args:
          x: clips.
          train: batch statistics, or the running ones.

        Returns:
          A map, and with `windows` a second one of its maxima.
        """
        x = Conv(
            self.features,
            self.kernel_size,
            self.strides,
            self.padding,
            use_bias=False,  # the normalisation has one
            kernel_init=self.kernel_init,
            dtype=self.dtype,
            name="conv",
        )(x)
        options = dict(
            momentum=self.momentum,
            epsilon=self.epsilon,
            scale_init=self.scale_init,
            dtype=self.dtype,
            axis_name=self.norm_axis,
        )
        activate = nn.relu if self.activate else lambda y: y
        if self.windows is None:
            return activate(batch_norm(train, "norm", **options)(x))
        norm = NormOfMaxima(self.windows, name="norm", **options)
        whole, maxima = norm(x, train=train)
        return activate(whole), activate(maxima)

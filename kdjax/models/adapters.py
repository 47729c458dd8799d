"""Layers trained beside a student so that its features can be compared with others."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from kdjax.models.layers import batch_norm
from kdjax.models.projection import Predictor, Projector
from kdjax.typing import Array, Float


class Geometry(NamedTuple):
    """A convolution along one axis; `dilation` spreads the input, for upsampling."""

    kernel: int
    stride: int
    padding: int
    dilation: int


def geometry(size: int, target: int) -> Geometry:
    """The convolution that takes an axis from one size to another.

    Args:
      size: of the student's map.
      target: of the teacher's map.

    Returns:
      Kernel 3, stride 2, padding 1 where the size is twice the target; where the target
      is ``r`` times the size the transposed convolution of stride ``r`` and padding
      ``r // 2`` (kernel 4 for twice); else a valid convolution that removes the rest.

    Raises:
      ValueError: where the target is larger and no multiple.
    """
    if size == 2 * target:
        return Geometry(kernel=3, stride=2, padding=1, dilation=1)
    if size >= target:
        return Geometry(kernel=1 + size - target, stride=1, padding=0, dilation=1)
    ratio, rest = divmod(target, size)
    if rest:
        raise ValueError(
            f"no regressor takes {size} positions to {target}: "
            "the target must be at most as large, or a multiple"
        )
    padding = ratio // 2
    kernel = ratio + 2 * padding
    # The transpose of a padded convolution pads with what its kernel reaches over.
    return Geometry(kernel, stride=1, padding=kernel - 1 - padding, dilation=ratio)


class ConvRegressor(nn.Module):
    """FitNet's regressor: one convolution to the teacher's shape, normalised, ReLU.

    Attributes:
      features: channels of the teacher's map.
      target_shape: its spatial sizes, one or more; see `geometry`, axis by axis.
      use_bias: of the convolution, which the normalisation takes away again.

    References:
      Romero et al., *FitNets: Hints for Thin Deep Nets*, ICLR 2015, arXiv:1412.6550.
    """

    features: int
    target_shape: tuple[int, ...]
    use_bias: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "B *spatial C"], *, train: bool
    ) -> Float[Array, "B *target D"]:
        """Regresses a student map.

        Args:
          x: map of the student.
          train: batch statistics, or the stored ones.

        Returns:
          A map of the teacher's shape, not negative.

        Raises:
          ValueError: where the number of axes or a size does not fit.
        """
        sizes = x.shape[1:-1]
        if len(sizes) != len(self.target_shape):
            raise ValueError(f"a map of shape {sizes} cannot meet {self.target_shape}")
        axes = [geometry(s, t) for s, t in zip(sizes, self.target_shape)]
        # The kernel of the dilated input is the flipped one of a transposed convolution.
        upsamples = any(axis.dilation > 1 for axis in axes)
        x = nn.Conv(
            self.features,
            [axis.kernel for axis in axes],
            strides=[axis.stride for axis in axes],
            padding=[(axis.padding, axis.padding) for axis in axes],
            input_dilation=[axis.dilation for axis in axes],
            use_bias=self.use_bias,
            name="ConvTranspose" if upsamples else "Conv",
        )(x)
        return nn.relu(batch_norm(train, "norm")(x))


class Embed(nn.Module):
    """A linear embedding of feature vectors, by default of unit length.

    Attributes:
      features: width of the embedding.
      normalise: divide by the Euclidean norm; off for a plain linear layer.
    """

    features: int = 128
    normalise: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "B ..."], *, train: bool = False
    ) -> Float[Array, "B D"]:
        """Embeds vectors, or maps flattened to vectors.

        Args:
          x: features of either network.
          train: ignored; every adapter takes it.

        Returns:
          One vector an example; a zero vector stays zero, with a finite gradient.
        """
        del train
        x = nn.Dense(self.features, name="linear")(x.reshape(x.shape[0], -1))
        if not self.normalise:
            return x
        # Clamped before the root, which has no finite gradient at zero.
        square = jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-24)
        return x / jnp.sqrt(square)


class ViewPredictor(nn.Module):
    """Predicts another view's features: SimSiam's predictor, alone or with projector.

    Alone it is what equation 6 of CMMVL asks for: the prediction is made from the
    backbone's features and aims at them.

    Attributes:
      hidden: width of the predictor's bottleneck.
      projector: width of SimSiam's projector before it, whose output is then both what
        is predicted from and what is aimed at; 0 leaves it out.
      norm_axis: named axis that batch statistics are taken over as well.
    """

    hidden: int = 512
    projector: int = 0
    norm_axis: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B C"], *, train: bool
    ) -> tuple[Float[Array, "B D"], Float[Array, "B D"]]:
        """Predicts.

        Args:
          x: features.
          train: batch statistics, or the stored ones.

        Returns:
          The prediction, and what other views' predictions aim at.
        """
        if self.projector:
            projector = Projector(self.projector, self.norm_axis, name="projector")
            x = projector(x, train=train)
        predictor = Predictor(self.hidden, self.norm_axis, name="predictor")
        return predictor(x, train=train), x

"""Multilayer perceptrons between a backbone's features and a contrastive loss."""

import flax.linen as nn

from kdjax.models.layers import batch_norm
from kdjax.typing import Array, Float


class Predictor(nn.Module):
    """SimSiam's predictor: through a bottleneck and back to the input's width.

    Of the 1,024 features of I3D it makes 1024-512-1024 with 1,050,624 parameters.

    Attributes:
      hidden: width of the bottleneck.
      norm_axis: named axis that batch statistics are taken over as well.

    References:
      Chen and He, *Exploring Simple Siamese Representation Learning*, CVPR 2021,
      arXiv:2011.10566; https://github.com/facebookresearch/simsiam.
    """

    hidden: int = 512
    norm_axis: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*B D"], *, train: bool) -> Float[Array, "*B D"]:
        """Maps vectors to others of the same width.

        Args:
          x: features, or what the projector makes of them.
          train: statistics of all vectors at hand, or the stored ones.

        Returns:
          The prediction, neither normalised nor cut off.
        """
        y = nn.Dense(self.hidden, use_bias=False, name="fc0")(x)
        y = nn.relu(batch_norm(train, "norm0", axis_name=self.norm_axis)(y))
        return nn.Dense(x.shape[-1], name="fc1")(y)


class Projector(nn.Module):
    """SimSiam's projector: three layers, each normalised, the last without gain or bias.

    Attributes:
      features: width of what comes out; the layers before keep the input's.
      norm_axis: named axis that batch statistics are taken over as well.

    References:
      Chen and He, *Exploring Simple Siamese Representation Learning*, CVPR 2021,
      arXiv:2011.10566; https://github.com/facebookresearch/simsiam.
    """

    features: int = 2048
    norm_axis: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*B C"], *, train: bool) -> Float[Array, "*B D"]:
        """Maps features to vectors of mean zero and variance one.

        Args:
          x: features of a backbone.
          train: statistics of all vectors at hand, or the stored ones.

        Returns:
          The projection.
        """
        for i in range(2):
            x = nn.Dense(x.shape[-1], use_bias=False, name=f"fc{i}")(x)
            norm = batch_norm(train, f"norm{i}", axis_name=self.norm_axis)
            x = nn.relu(norm(x))
        x = nn.Dense(self.features, use_bias=False, name="fc2")(x)
        last = dict(use_scale=False, use_bias=False, axis_name=self.norm_axis)
        return batch_norm(train, "norm2", **last)(x)

"""Temporal segment network: a ResNet on a few frames of a video, their mean judged."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import normal, variance_scaling

from kdjax.models import remat
from kdjax.models.conv_norm import ConvNorm, Windows
from kdjax.models.layers import Outputs, check_clip
from kdjax.typing import Array, Float

DEPTHS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
}
"""Blocks of each stage, and whether they are bottlenecks."""

CONSENSUS = ("features", "logits")


def unit(features: int, size: int, stride: int = 1, **options: Any) -> ConvNorm:
    """Convolution of single frames and normalisation, padded as in PyTorch.

    Half the odd kernel is padded on either side: where a stride meets an even size,
    ``SAME`` would pad less in front and so shift the map.

    Args:
      features: output channels.
      size: of the kernel in space, odd.
      stride: in space.
      **options: further fields of the layer.

    Returns:
      The layer.
    """
    half = size // 2
    return ConvNorm(
        features,
        (1, size, size),
        strides=(1, stride, stride),
        padding=[(0, 0), (half, half), (half, half)],
        kernel_init=variance_scaling(2.0, "fan_out", "normal"),
        **options,
    )


class Block(nn.Module):
    """Two convolutions of 3x3, or a bottleneck around one, and a skip connection.

    The stride is on the 3x3, as in torchvision.

    Attributes:
      width: channels inside; a bottleneck gives four times as many.
      stride: in space.
      bottleneck: which of the two.
      dtype: of the computation.
    """

    width: int
    stride: int = 1
    bottleneck: bool = False
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self, x: Float[Array, "B S H W C"], *, train: bool
    ) -> Float[Array, "B S H_out W_out D"]:
        """Convolves frames."""
        layer = functools.partial(unit, dtype=self.dtype)
        last = functools.partial(layer, activate=False)
        if self.bottleneck:
            out = 4 * self.width
            y = layer(self.width, 1, name="unit1")(x, train=train)
            y = layer(self.width, 3, self.stride, name="unit2")(y, train=train)
            y = last(out, 1, name="unit3")(y, train=train)
        else:
            out = self.width
            y = layer(out, 3, self.stride, name="unit1")(x, train=train)
            y = last(out, 3, name="unit2")(y, train=train)
        if self.stride != 1 or x.shape[-1] != out:
            x = last(out, 1, self.stride, name="skip")(x, train=train)
        return nn.relu(y + x)


class Model(nn.Module):
    """ResNet-18, -34 or -50 over the segments of a video, with a consensus.

    Attributes:
      num_classes: K.
      depth: 18, 34 or 50.
      width: channels of the first stage; each later stage doubles them.
      dropout: rate on what the classifier reads.
      consensus: mean over segments of the ``features``, of which one dropout and the
        classifier follow, as in MMAction2; or of the ``logits`` of every segment, as in
        TSN's own code. At inference both are the same.
      dtype: of the feature maps; parameters, statistics, features and logits are float32.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.

    References:
      Wang et al., *Temporal Segment Networks: Towards Good Practices for Deep Action
      Recognition*, ECCV 2016, arXiv:1608.00859.
      He, Zhang, Ren and Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016,
      arXiv:1512.03385; torchvision's version, with the stride on the 3x3.
    """

    num_classes: int
    depth: int = 50
    width: int = 64
    dropout: float = 0.5
    consensus: str = "features"
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(self, x: Float[Array, "B S H W C"], *, train: bool) -> Outputs:
        """Classifies videos.

        Args:
          x: one frame a segment, normalised as the weights want it.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``features`` (the last map's mean over space and segments),
          ``hidden`` (the same) and as ``stages`` the maps ``[B S H W C]`` after the last
          ReLU of each stage.

        Raises:
          ValueError: where a clip has no frame or no pixel, or an option is unknown.
        """
        check_clip(x, frames=1)
        if self.depth not in DEPTHS:
            raise ValueError(f"depth is {self.depth}: one of {tuple(DEPTHS)}")
        if self.consensus not in CONSENSUS:
            raise ValueError(f"consensus is {self.consensus!r}: one of {CONSENSUS}")
        stages = self._stages(x, train)
        frames = stages[-1].mean(axis=(2, 3), dtype=jnp.float32)
        features = frames.mean(axis=1)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        classify = nn.Dense(self.num_classes, kernel_init=normal(0.001), name="fc")
        if self.consensus == "features":
            logits = classify(drop(features))
        else:
            logits = classify(drop(frames)).mean(axis=1)
        return {
            "logits": logits,
            "features": features,
            "hidden": features,
            "stages": stages,
        }

    def _stages(self, x: Array, train: bool) -> tuple[Array, ...]:
        """The maps after each of the four stages."""
        blocks, bottleneck = DEPTHS[self.depth]
        videos = x.shape[:2]
        # Segments and videos are one batch of pictures: convolutions of two dimensions.
        x = x.reshape(-1, 1, *x.shape[2:])
        windows = Windows((1, 3, 3), (1, 2, 2), ((0, 0), (1, 1), (1, 1)))
        stem = unit(self.width, 7, 2, windows=windows, dtype=self.dtype, name="stem")
        _, x = stem(x, train=train)
        stages = []
        for stage, count in enumerate(blocks):
            for index in range(count):
                block = Block(
                    self.width * 2**stage,
                    stride=2 if stage and not index else 1,
                    bottleneck=bottleneck,
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_block{index + 1}",
                )
                x = remat.run(block, x, policy=self.remat, train=train)
            stages.append(x.reshape(*videos, *x.shape[2:]))
        return tuple(stages)

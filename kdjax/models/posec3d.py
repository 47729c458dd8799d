"""PoseC3D's network: SlowOnly over stacks of heatmaps."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.initializers import normal, variance_scaling, zeros

from kdjax.models import remat
from kdjax.models.conv3d import Triple, max_pool
from kdjax.models.conv_norm import ConvNorm
from kdjax.models.layers import Head, Outputs, check_clip
from kdjax.typing import Array, Float


def unit(features: int, kernel_size: Triple, **options: Any) -> ConvNorm:
    """Convolution and normalisation, padded and initialised as in PyTorch.

    Half the odd kernel is padded on either side. Where a stride meets an even size,
    ``SAME`` would put the odd position behind and so shift the map.

    Args:
      features: output channels.
      kernel_size: odd, in time, height and width.
      **options: further fields of the layer.

    Returns:
      The layer.
    """
    return ConvNorm(
        features,
        kernel_size,
        padding=[(size // 2, size // 2) for size in kernel_size],
        kernel_init=variance_scaling(2.0, "fan_out", "normal"),
        **options,
    )


class Block(nn.Module):
    """A bottleneck: channels, space, channels again, and a skip connection.

    The gain of the last normalisation starts at zero, so that at first the skip
    connection alone passes.

    Attributes:
      width: channels inside; four times as many come out.
      strides: in time, height and width, of the convolution over space.
      inflate: whether the first convolution sees three frames; otherwise one.
      dtype: of the computation.
    """

    width: int
    strides: Triple = (1, 1, 1)
    inflate: bool = False
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T H W C"], *, train: bool
    ) -> Float[Array, "B T_out H_out W_out D"]:
        """Convolves clips."""
        layer = functools.partial(unit, dtype=self.dtype)
        last = functools.partial(layer, 4 * self.width, (1, 1, 1), activate=False)
        y = layer(self.width, (3 if self.inflate else 1, 1, 1), name="unit1")(
            x, train=train
        )
        y = layer(self.width, (1, 3, 3), strides=self.strides, name="unit2")(
            y, train=train
        )
        y = last(scale_init=zeros, name="unit3")(y, train=train)
        if self.strides != (1, 1, 1) or x.shape[-1] != y.shape[-1]:
            x = last(strides=self.strides, name="skip")(x, train=train)
        return nn.relu(y + x)


class Model(nn.Module):
    """ResNet-50 without its last stage, inflated in time, over heatmaps.

    Space is halved at the start of every stage and time at the start of the third; from
    the second stage on a block sees three frames. The pooling after the first
    convolution keeps the size.

    Attributes:
      num_classes: K.
      width: channels of the first convolution and inside the blocks of the first stage;
        each later stage doubles them.
      blocks: in each stage.
      dropout: rate on what the classifier reads.
      dtype: of the feature maps; parameters, statistics, features and logits are float32.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.

    References:
      Duan, Zhao, Chen, Lin and Dai, *Revisiting Skeleton-based Action Recognition*, CVPR
      2022, arXiv:2104.13586; https://github.com/kennymckormick/pyskl.
    """

    num_classes: int
    width: int = 32
    blocks: tuple[int, ...] = (4, 6, 3)
    dropout: float = 0.5
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(self, x: Float[Array, "B T H W C"], *, train: bool) -> Outputs:
        """Classifies heatmap clips.

        Args:
          x: heatmaps in [0, 1], a channel a joint or limb; published with 48 frames of
            56x56 pixels and 17 channels.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``features`` (the mean of the last map), ``hidden`` (the same) and
          as ``stages`` the map after each stage.

        Raises:
          ValueError: where a clip has no frame or no pixel.
        """
        check_clip(x, frames=1)
        clips = x.shape[:2]
        # Up to the second stage nothing mixes frames: they are a batch of pictures.
        x = x.reshape(-1, 1, *x.shape[2:])
        stem = unit(self.width, (1, 7, 7), dtype=self.dtype, name="stem")
        x = stem(x, train=train)
        x = max_pool(x, window=(1, 3, 3), padding=[(0, 0), (1, 1), (1, 1)])
        stages = []
        for stage, count in enumerate(self.blocks):
            for index in range(count):
                block = Block(
                    self.width * 2**stage,
                    strides=(1, 1, 1) if index else (2 if stage > 1 else 1, 2, 2),
                    inflate=stage > 0,
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_block{index + 1}",
                )
                x = remat.run(block, x, policy=self.remat, train=train)
            if not stage:
                x = x.reshape(*clips, *x.shape[2:])
            stages.append(x)
        head = Head(self.num_classes, None, self.dropout, normal(0.01), name="head")
        features = x.mean(axis=(1, 2, 3), dtype=jnp.float32)
        return head(features, stages, train=train)

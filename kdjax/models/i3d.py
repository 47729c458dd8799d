"""I3D: the Inception network inflated in time, over video."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import normal

from kdjax.models import remat
from kdjax.models.conv3d import max_pool
from kdjax.models.conv_norm import ConvNorm, Windows
from kdjax.models.layers import Outputs, check_clip
from kdjax.typing import Array, Float

# Channels of the branches b0, b1a, b1b, b2a, b2b and b3b of each mixed block, stage by
# stage, and the window that pools in front of the stage. It moves by two, the first
# ones not in time.
STAGES = {
    "3": (
        (1, 3, 3),
        {"b": (64, 96, 128, 16, 32, 32), "c": (128, 128, 192, 32, 96, 64)},
    ),
    "4": (
        (3, 3, 3),
        {
            "b": (192, 96, 208, 16, 48, 64),
            "c": (160, 112, 224, 24, 64, 64),
            "d": (128, 128, 256, 24, 64, 64),
            "e": (112, 144, 288, 32, 64, 64),
            "f": (256, 160, 320, 32, 128, 128),
        },
    ),
    "5": (
        (2, 2, 2),
        {"b": (256, 160, 320, 32, 128, 128), "c": (384, 192, 384, 48, 128, 128)},
    ),
}
LEAST_FRAMES = 9
"""Eight frames make one step of the last map, and the head pools two."""


class Mixed(nn.Module):
    """An Inception block: four branches side by side, the kernels 1, 3, 3 and a pool.

    Attributes:
      widths: channels of b0, b1a, b1b, b2a, b2b and b3b; b0, b1b, b2b and b3b come out.
      dtype: of the computation.
      norm_axis: see `Model`.
      windows: of the pooling behind the block, see `ConvNorm`.
    """

    widths: tuple[int, int, int, int, int, int]
    dtype: str = "float32"
    norm_axis: str | None = None
    windows: Windows | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T H W C"], *, train: bool
    ) -> Float[Array, "B T H W D"] | tuple[Array, Array]:
        """Convolves clips.

        Args:
          x: clips.
          train: see `ConvNorm`.

        Returns:
          A map, and with `windows` a second one of its maxima.
        """
        b0, b1a, b1b, b2a, b2b, b3b = self.widths

        def branch(x: Array, name: str, width: int, size: int = 1, **options) -> Any:
            options |= dict(dtype=self.dtype, norm_axis=self.norm_axis, name=name)
            return unit(width, size, **options)(x, train=train)

        last = functools.partial(branch, windows=self.windows)
        pooled = max_pool(x, window=(3, 3, 3))
        branches = [
            last(x, "b0", b0),
            last(branch(x, "b1a", b1a), "b1b", b1b, 3),
            last(branch(x, "b2a", b2a), "b2b", b2b, 3),
            last(pooled, "b3b", b3b),
        ]
        return jax.tree.map(lambda *maps: jnp.concatenate(maps, axis=-1), *branches)


def unit(
    features: int,
    size: int,
    *,
    dtype: str,
    norm_axis: str | None = None,
    name: str,
    stride: int = 1,
    windows: Windows | None = None,
) -> ConvNorm:
    """Convolution and normalisation with the published constants.

    Args:
      features: output channels.
      size: of the kernel, in time and space.
      dtype: of the computation.
      norm_axis: see `Model`.
      name: of the layer.
      stride: in time and space.
      windows: of the pooling behind it, see `ConvNorm`.

    Returns:
      The layer, padded as in TensorFlow.
    """
    return ConvNorm(
        features,
        (size,) * 3,
        (stride,) * 3,
        windows=windows,
        momentum=0.99,
        epsilon=1e-3,
        dtype=dtype,
        norm_axis=norm_axis,
        name=name,
    )


class Model(nn.Module):
    r"""Inflated Inception-v1 with one stream.

    The head averages space and every two steps of the last map, classifies each such
    slot and averages the logits. With more than 16 frames that is no plain mean: of
    four steps the outer ones weigh 1/6, the inner ones 1/3.

    The published head pools 7x7 positions, all of the map at 224x224 pixels; here it
    pools the whole map at any size. The gain of the normalisations, which the original
    has not, is PyTorch-I3D's; so is their momentum of 0.99 (the original's is 0.999).

    Attributes:
      num_classes: K.
      width: factor on every number of channels.
      dropout: rate on what the classifier reads, drawn for each slot.
      dtype: of the feature maps; parameters, statistics, features and logits are float32.
      norm_axis: named axis that batch statistics are taken over as well: with the views'
        axis they are those of all views in one batch.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.

    References:
      Carreira and Zisserman, *Quo Vadis, Action Recognition? A New Model and the Kinetics
      Dataset*, CVPR 2017, arXiv:1705.07750; https://github.com/deepmind/kinetics-i3d,
      https://github.com/piergiaj/pytorch-i3d.
    """

    num_classes: int
    width: float = 1.0
    dropout: float = 0.5
    dtype: str = "float32"
    norm_axis: str | None = None
    remat: str = ""

    def setup(self):
        """The classifier, which reads features that were made elsewhere as well."""
        self.logits = nn.Dense(self.num_classes, kernel_init=normal(0.01))

    def classify(self, features: Float[Array, "*B D"]) -> Float[Array, "*B K"]:
        """The logits of pooled features."""
        return self.logits(features)

    @nn.compact
    def __call__(self, x: Float[Array, "B T H W C"], *, train: bool) -> Outputs:
        """Classifies clips.

        Args:
          x: clips of 9 frames or more; published are RGB in [-1, 1] and 224x224 pixels.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``slot_logits [B U K]`` whose mean they are, ``features`` (the mean
          of the slots, before dropout), ``hidden`` (the same) and as ``stages`` the maps
          in front of each pooling, the head's too.

        Raises:
          ValueError: where a clip has fewer than 9 frames or no pixel.
        """
        check_clip(x, frames=LEAST_FRAMES)
        stages = self._stages(x, train)
        steps = stages[-1].mean(axis=(2, 3), dtype=jnp.float32)
        slots = (steps[:, :-1] + steps[:, 1:]) / 2
        dropped = nn.Dropout(self.dropout, deterministic=not train)(slots)
        slot_logits, features = self.logits(dropped), slots.mean(axis=1)
        return {
            "logits": slot_logits.mean(axis=1),
            "slot_logits": slot_logits,
            "features": features,
            "hidden": features,
            "stages": stages,
        }

    def _stages(self, x: Array, train: bool) -> tuple[Array, ...]:
        """The maps of the five resolutions."""
        layer = functools.partial(unit, dtype=self.dtype, norm_axis=self.norm_axis)
        run = functools.partial(remat.run, policy=self.remat, train=train)
        pools = [
            Windows(window, (min(window[0], 2), 2, 2)) for window, _ in STAGES.values()
        ]
        # The first unit is pooled by the same window as the third stage.
        options = dict(stride=2, windows=pools[0], name="Conv3d_1a_7x7")
        first, x = run(layer(self._channels(64), 7, **options), x)
        x = run(layer(self._channels(64), 1, name="Conv3d_2b_1x1"), x)
        options = dict(windows=pools[0], name="Conv3d_2c_3x3")
        second, x = run(layer(self._channels(192), 3, **options), x)
        stages = [first, second]
        for (stage, (_, blocks)), behind in zip(STAGES.items(), [*pools[1:], None]):
            for letter, widths in blocks.items():
                block = Mixed(
                    tuple(map(self._channels, widths)),
                    self.dtype,
                    self.norm_axis,
                    behind if letter == max(blocks) else None,
                    name=f"Mixed_{stage}{letter}",
                )
                x = run(block, x)
            whole, x = x if behind else (x, x)
            stages.append(whole)
        return tuple(stages)

    def _channels(self, published: int) -> int:
        """A number of channels times the factor, at least one."""
        return max(1, round(published * self.width))

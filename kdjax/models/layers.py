"""Pieces that several networks are made of."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from kdjax.typing import Array, Float

Outputs = dict[str, Any]
"""``logits``, ``features``, ``hidden`` and the tuple ``stages``."""


def on_each_platform(
    cpu: Callable[..., Array], default: Callable[..., Array], **options: Any
) -> Callable[..., Array]:
    """A function that is `cpu` in programs for CPUs and `default` in all others.

    The choice is made when a program is lowered, not when it is traced: what a CPU
    compiles for an accelerator is the accelerator's.

    Args:
      cpu: function of arrays.
      default: another that computes the same.
      **options: further arguments of both.

    Returns:
      The function.
    """
    return functools.partial(
        lax.platform_dependent,
        cpu=functools.partial(cpu, **options),
        default=functools.partial(default, **options),
    )


def conv_of_pictures(
    x: Float[Array, "B H W C"],
    kernel: Float[Array, "h w C D"],
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
) -> Float[Array, "B H_out W_out D"]:
    """XLA's convolution in two dimensions.

    Args:
      x: pictures.
      kernel: weights; they are not flipped.
      strides: in height and width.
      padding: zeros around height and width.

    Returns:
      Pictures.
    """
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=layout
    )


def batch_norm(
    train: bool,
    name: str,
    *,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    **options: Any,
) -> nn.BatchNorm:
    """Batch normalisation over all axes but the last, by default as in PyTorch.

    Args:
      train: batch statistics, and the running ones updated; else the running ones.
      name: of the layer.
      momentum: share of the running statistics that a step keeps; PyTorch counts the
        other share.
      epsilon: added to the variance.
      **options: further fields of the layer.

    Returns:
      The layer. Its running variance is the biased one; PyTorch keeps the unbiased.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=momentum,
        epsilon=epsilon,
        name=name,
        **options,
    )


def check_clip(x: Array, *, frames: int) -> None:
    """Refuses what is no clip, or too short a one.

    Args:
      x: clips ``[B T H W C]``.
      frames: the fewest that a network can take.

    Raises:
      ValueError: where an axis is missing, or frames or pixels are too few.
    """
    if x.ndim != 5:
        raise ValueError(f"clips are [B T H W C], not of shape {x.shape}")
    _, steps, height, width, _ = x.shape
    if steps < frames or not height * width:
        raise ValueError(
            f"a clip of {steps} frames of {height}x{width} pixels is too small: "
            f"this network needs {frames} frames of 1x1 or more"
        )


def on_rows(layer: nn.Module, x: Float[Array, "*B C"]) -> Float[Array, "*B D"]:
    """Applies a layer to the last axis with all others folded into one.

    One plain matrix product: its backward pass takes half the time of the product with
    several leading axes on XLA's CPU.
    """
    rows = layer(x.reshape(-1, x.shape[-1]))
    return rows.reshape(*x.shape[:-1], rows.shape[-1])


def concatenate(streams: Sequence[Array]) -> Float[Array, "B T C"]:
    """Streams side by side on one channel axis.

    Args:
      streams: arrays ``[B T ...]`` of one length; what follows T is flattened, so that
        20 joints and an accelerometer make 63 channels.

    Returns:
      A sequence in float32.

    Raises:
      ValueError: where there is no stream, or batch or length differ.
    """
    shapes = [stream.shape for stream in streams]
    if not shapes or any(len(s) < 2 or s[:2] != shapes[0][:2] for s in shapes):
        raise ValueError(f"streams must be [B T ...] of one batch and length: {shapes}")
    flat = [jnp.reshape(s, (*s.shape[:2], -1)) for s in streams]
    return jnp.concatenate(flat, axis=-1).astype(jnp.float32)


class Head(nn.Module):
    """The classifier: pooled features, fc0, ReLU, dropout, fc1.

    Attributes:
      num_classes: K.
      hidden: width d0 of fc0; 0 or None leaves it out, and fc1 reads the features.
      dropout: rate on what either layer reads.
      kernel_init: of fc1.
    """

    num_classes: int
    hidden: int | None = 256
    dropout: float = 0.0
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "B D"],
        stages: Sequence[Array],
        *,
        train: bool,
    ) -> Outputs:
        """The network's outputs.

        Args:
          features: pooled vectors.
          stages: feature maps, first to last; handed through.
          train: whether dropout is on.

        Returns:
          ``logits [B K]``, ``features [B D]``, ``hidden [B d0]`` (fc0 before its ReLU;
          without fc0 the features themselves) and ``stages``.
        """
        hidden = x = features
        if self.hidden:
            dropped = nn.Dropout(self.dropout, deterministic=not train)(features)
            hidden = nn.Dense(self.hidden, name="fc0")(dropped)
            x = nn.relu(hidden)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        logits = nn.Dense(self.num_classes, kernel_init=self.kernel_init, name="fc1")(x)
        return {
            "logits": logits,
            "features": features,
            "hidden": hidden,
            "stages": tuple(stages),
        }

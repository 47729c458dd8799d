"""Convolution and pooling over video, lowered for the device that runs them.

XLA's CPU backend takes several times longer over a three-dimensional convolution, and
over the gradient of pooling, than over the same sums written as convolutions of single
frames, matrix products and maxima. Accelerators get the plain operations.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax

from kdjax.maxima import larger
from kdjax.models.layers import conv_of_pictures, on_each_platform
from kdjax.typing import Array, Float

Triple = tuple[int, int, int]
"""One number each for time, height and width."""

Padding = str | Sequence[tuple[int, int]]
"""``SAME`` and ``VALID`` as in TensorFlow, or the positions before and after each axis."""


def _pairs(
    x: Array, window: Sequence[int], strides: Triple, padding: Padding
) -> list[tuple[int, int]]:
    """Padding in numbers."""
    if isinstance(padding, str):
        return lax.padtype_to_pads(x.shape[1:4], window, strides, padding)
    return list(padding)


def _pad(x: Array, padding: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """Positions around time, height and width."""
    return jnp.pad(x, [(0, 0), *padding, (0, 0)], constant_values=value)


def _under(x: Array, axis: int, position: int, window: int, stride: int) -> Array:
    """What one position of a window lies on while the window slides along an axis."""
    last = x.shape[axis] - window + position
    return lax.slice_in_dim(x, position, last + 1, stride, axis)


def _conv_plainly(
    x: Array, kernel: Array, *, strides: Triple, padding: Sequence[tuple[int, int]]
) -> Array:
    layout = ("NTHWC", "THWIO", "NTHWC")
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=layout
    )


def _taps_side_by_side(
    x: Array, kernel: Array, stride: int, padding: tuple[int, int]
) -> tuple[Array, Array]:
    """The same convolution by a kernel of one frame.

    What its taps in time lie on, and their weights, are channels of that frame.
    """
    taps = kernel.shape[0]
    x = _pad(x, [padding, (0, 0), (0, 0)])
    under = [_under(x, 1, tap, taps, stride) for tap in range(taps)]
    one = jnp.concatenate(list(kernel), axis=2)[None]
    return jnp.concatenate(under, axis=-1), one


COLOURS = 4
"""Channels of pictures up to which accelerators take all taps in one convolution: I3D's
first unit is expected to take a v5e 25.6 ms for 66.2, `benchmarks.tpu_lowerings`."""


def _conv_on_accelerators(
    x: Array, kernel: Array, *, strides: Triple, padding: Sequence[tuple[int, int]]
) -> Array:
    """One convolution; of two dimensions, the frames as its batch, where it mixes none.

    So it is where channels are so few that all frames it mixes are channels of one.
    """
    step, before_and_after = strides[0], padding[0]
    if kernel.shape[0] == 1 and not any(before_and_after):
        x = x[:, ::step]
    elif kernel.shape[3] <= COLOURS:
        x, kernel = _taps_side_by_side(x, kernel, step, before_and_after)
    else:
        return _conv_plainly(x, kernel, strides=strides, padding=padding)
    frames = x.reshape(-1, *x.shape[2:])
    y = conv_of_pictures(frames, kernel[0], strides[1:], padding[1:])
    return y.reshape(*x.shape[:2], *y.shape[1:])


FEW_CHANNELS = 64
"""Input channels times taps in time up to which a CPU takes all taps in one convolution:
measured on one core, I3D's first layer is five times, the narrow network as a whole 1.6
times faster."""


def _conv_by_frames(
    x: Array, kernel: Array, *, strides: Triple, padding: Sequence[tuple[int, int]]
) -> Array:
    """The sum over the taps in time, each a convolution of single frames.

    Where channels are few, the taps are laid side by side as channels of one convolution,
    whose matrix products would be too thin otherwise.
    """
    taps, _, _, channels, _ = kernel.shape
    step, before_and_after = strides[0], padding[0]
    if taps * channels <= FEW_CHANNELS:
        x, kernel = _taps_side_by_side(x, kernel, step, before_and_after)
        taps, step, before_and_after = 1, 1, (0, 0)
    x = _pad(x, [before_and_after, (0, 0), (0, 0)])
    total = 0.0
    for tap, weights in enumerate(kernel):
        y = _under(x, 1, tap, taps, step)
        batch, steps, *frame = y.shape
        frames = y.reshape(-1, *frame)
        y = _conv_of_frames(frames, weights, strides[1:], padding[1:])
        total = total + y.reshape(batch, steps, *y.shape[1:])
    return total


def _conv_of_frames(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Array:
    """A two-dimensional convolution, a matrix product where the kernel is a point.

    So it is where the kernel covers more than there is. There XLA makes the picture the
    kernel and the kernel the picture, and that takes its CPU backend 13 to 37 times longer
    than the product (2 x 2 positions under 3 x 3 weights, `benchmarks.few_positions`).
    """
    if math.prod(x.shape[1:3]) < math.prod(kernel.shape[:2]):
        return _conv_of_few_positions(x, kernel, strides, padding)
    if kernel.shape[:2] != (1, 1):
        return conv_of_pictures(x, kernel, strides, padding)
    x = jnp.pad(x, [(0, 0), *padding, (0, 0)])[:, :: strides[0], :: strides[1]]
    y = x.reshape(-1, x.shape[-1]) @ kernel[0, 0]
    return y.reshape(*x.shape[:-1], -1)


def _conv_of_few_positions(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Array:
    """A two-dimensional convolution as one product of all positions with all others.

    What an output position sees of the weights is a window of them, as large as the
    picture, with zeros where they end.
    """
    rows, *size, channels = x.shape
    taps, out_channels = kernel.shape[:2], kernel.shape[3]
    out = [
        (n + sum(pad) - k) // stride + 1
        for n, k, stride, pad in zip(size, taps, strides, padding)
    ]
    before = [n * stride for n, stride in zip(out, strides)]
    after = [n + pad for n, (pad, _) in zip(size, padding)]
    around = jnp.pad(kernel, [*zip(before, after), (0, 0), (0, 0)])
    windows = []
    for i, j in itertools.product(*map(range, out)):
        top = before[0] + padding[0][0] - i * strides[0]
        left = before[1] + padding[1][0] - j * strides[1]
        windows.append(around[top : top + size[0], left : left + size[1]])
    weights = jnp.stack(windows, axis=3).reshape(math.prod(size) * channels, -1)
    return (x.reshape(rows, -1) @ weights).reshape(rows, *out, out_channels)


def conv(
    x: Float[Array, "B T H W C"],
    kernel: Float[Array, "t h w C D"],
    *,
    strides: Triple = (1, 1, 1),
    padding: Padding = "SAME",
) -> Float[Array, "B T_out H_out W_out D"]:
    """Convolution over time and space.

    Args:
      x: clips.
      kernel: weights; they are not flipped.
      strides: in time, height and width.
      padding: zeros around time, height and width.

    Returns:
      What `jax.lax.conv_general_dilated` computes, up to the order of summation.
    """
    pads = _pairs(x, kernel.shape[:3], strides, padding)
    run = on_each_platform(
        _conv_by_frames, _conv_on_accelerators, strides=strides, padding=pads
    )
    return run(x, kernel)


def _pool_plainly(
    x: Array, *, window: Triple, strides: Triple, padding: Sequence[tuple[int, int]]
) -> Array:
    return nn.max_pool(x, window, strides, padding)


def _pool_by_axes(
    x: Array, *, window: Triple, strides: Triple, padding: Sequence[tuple[int, int]]
) -> Array:
    """Maxima along the width, then the height, then time."""
    x = _pad(x, padding, -jnp.inf)
    for axis in (3, 2, 1):
        size, stride = window[axis - 1], strides[axis - 1]
        best = _under(x, axis, 0, size, stride)
        for position in range(1, size):
            best = larger(best, _under(x, axis, position, size, stride))
        x = best
    return x


def max_pool(
    x: Float[Array, "B T H W C"],
    *,
    window: Triple,
    strides: Triple = (1, 1, 1),
    padding: Padding = "SAME",
) -> Float[Array, "B T_out H_out W_out C"]:
    """Maximum over a window of time and space.

    Args:
      x: clips.
      window: in time, height and width.
      strides: in time, height and width.
      padding: positions around time, height and width that no maximum takes.

    Returns:
      What `flax.linen.max_pool` computes; the first of equals takes the gradient.
    """
    pads = _pairs(x, window, strides, padding)
    options = dict(window=window, strides=strides, padding=pads)
    return on_each_platform(_pool_by_axes, _pool_plainly, **options)(x)


class Conv(nn.Module):
    """`flax.linen.Conv` over time and space, with `conv`; the parameters are the same.

    Attributes:
      features: output channels.
      kernel_size: in time, height and width.
      strides: in time, height and width.
      padding: see `conv`.
      use_bias: add one number a channel.
      kernel_init: of the weights.
      dtype: of the computation; that of input and parameters without it.
    """

    features: int
    kernel_size: Triple
    strides: Triple = (1, 1, 1)
    padding: Padding = "SAME"
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    dtype: Any = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T H W C"]
    ) -> Float[Array, "B T_out H_out W_out D"]:
        """Convolves clips."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = conv(x, kernel, strides=self.strides, padding=self.padding)
        return y if bias is None else y + bias.reshape(1, 1, 1, 1, -1)

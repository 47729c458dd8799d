"""Times convolutions whose kernel covers more than the picture, and XLA's own beside them.

    taskset --cpu-list 0 python -m benchmarks.few_positions --repetitions=20

The last stages of small networks: 3 x 3 weights over 2 x 2 positions. Each turn is a
forward pass and both gradients.
"""

import argparse
import functools

import jax
import jax.numpy as jnp

from benchmarks import turns
from experiments import xla_options
from kdjax.models import conv3d

CASES = {
    "TSN, width 8": (128, 2, 2, 64),
    "TSN, width 16": (128, 2, 2, 128),
    "I3D, width 1/8": (16, 2, 2, 48),
}
"""Rows, height, width and channels; as many come out as go in."""
XLA = "XLA's own"


def step(x, kernel, cotangent, *, convolve):
    """The result of a convolution of pictures ``[N H W C]``, and its gradients."""
    y, pull = jax.vjp(convolve, x, kernel)
    return y, pull(cotangent)


def xla(x, kernel):
    """XLA's convolution, the picture padded by one."""
    layout = ("NHWC", "HWIO", "NHWC")
    padding = [(1, 1), (1, 1)]
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=layout
    )


def ours(x, kernel):
    """The same as one product."""
    return conv3d.conv(x[:, None], kernel[None])[:, 0]


def waited(function, *arguments):
    """Calls a function and waits for its results."""
    jax.block_until_ready(function(*arguments))


def main() -> None:
    """Prints a line a contestant, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=20)
    given = parser.parse_args()
    print(turns.machine())
    for name, shape in CASES.items():
        x, cotangent = jax.random.normal(jax.random.key(0), (2, *shape))
        kernel = jnp.ones((3, 3, shape[-1], shape[-1])) / shape[-1]
        steps = {}
        for label, convolve in (("one product", ours), (XLA, xla)):
            compiled = jax.jit(
                functools.partial(step, convolve=convolve),
                compiler_options=xla_options.of_steps(),
            )
            steps[label] = functools.partial(waited, compiled, x, kernel, cotangent)
            steps[label]()  # compiled before the turns
        print(f"{name}: {shape}")
        turns.report(turns.take(steps, given.repetitions), XLA)


if __name__ == "__main__":
    main()

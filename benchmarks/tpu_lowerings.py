"""What a TPU's compiler expects of ways to compute the same: nothing is run.

    pip install 'kdjax[tpu]'
    python -m benchmarks.tpu_lowerings --topology=v5e:2x2

Each is compiled for one chip, forward and backward in bfloat16, on any machine; the
times are sums of the cycles that the compiler estimates, no measurements. A floor is what
the FLOPs take at the peak or the bytes at the memory's bandwidth, the longer of the two.
Single operations, of which a network is made, say how near a floor an estimate can come.
"""

import argparse
import functools
import time

import jax
import jax.numpy as jnp
from jax.sharding import AxisType

from experiments import compiled, estimates, topologies
from experiments.chips import CHIPS
from kdjax import parallel
from kdjax.losses import _layout
from kdjax.models import attention, conv3d, conv_norm, patches, tsn
from kdjax.models.layers import conv_of_pictures

FRAMES = 1050
"""Of ViCoKD on one chip: three recordings, five cameras, seventy frames."""


def attentions():
    """ViT-S/32's, between what its projections give and take: rows of features."""
    rows, tokens, heads = FRAMES, 50, 6

    def attend(form, *q_k_v):
        split = (x.reshape(rows, tokens, heads, -1) for x in q_k_v)
        return form(*split).reshape(rows * tokens, -1)

    forms = {"heads": attention._of_heads, "whole tokens": attention._of_tokens}
    given = [(rows * tokens, heads * 64)] * 3
    attends = {name: functools.partial(attend, form) for name, form in forms.items()}
    return attends, given, (0, 1, 2)


def embeddings():
    """ViT-S/32's patches of 224 x 224 pixels."""
    forms = {"product": patches._by_product, "convolution": patches._by_convolution}
    options = dict(patch=32, strides=(32, 32))
    given = [(FRAMES, 224, 224, 3), (32 * 32 * 3, 384)]
    embeds = {name: functools.partial(form, **options) for name, form in forms.items()}
    # Nobody asks for the gradient of pictures.
    return embeds, given, (1,)


def first_units():
    """I3D's over 16 clips: 7 x 7 x 7 weights over three colours, every second frame."""
    forms = {
        "three dimensions": conv3d._conv_plainly,
        "frames as channels": conv3d._conv_on_accelerators,
    }
    options = dict(strides=(2, 2, 2), padding=[(2, 3)] * 3)
    given = [(16, 32, 224, 224, 3), (7, 7, 7, 3, 64)]
    convs = {name: functools.partial(form, **options) for name, form in forms.items()}
    return convs, given, (1,)


def stems():
    """ResNet-18's over 64 videos of eight infrared frames, pooled."""
    windows = conv_norm.Windows((1, 3, 3), (1, 2, 2), ((0, 0), (1, 1), (1, 1)))

    def stem(maxima_first, x, kernel, scale, bias):
        layer = tsn.unit(
            64, 7, 2, windows=windows if maxima_first else None, dtype="bfloat16"
        )
        params = {"conv": {"kernel": kernel}, "norm": {"scale": scale, "bias": bias}}
        # In training the running statistics are written and not read.
        kept = {"norm": {"mean": jnp.zeros(64), "var": jnp.ones(64)}}
        variables = {"params": params, "batch_stats": kept}
        y, _ = layer.apply(variables, x, train=True, mutable=["batch_stats"])
        return y[1] if maxima_first else conv3d.max_pool(y, **windows._asdict())

    forms = {
        "normalised first": functools.partial(stem, False),
        "maxima first": functools.partial(stem, True),
    }
    return forms, [(512, 1, 224, 224, 1), (1, 7, 7, 1, 64), (64,), (64,)], (1, 2, 3)


def means_of_segments():
    """Of eight segments of 64 videos, in maps that a convolution has made."""
    known = jax.sharding.AbstractMesh((1,), ("data",), axis_types=(AxisType.Auto,))
    forms = {"sum": _layout._mean_by_sum, "product": _layout._mean_by_product}

    def mean(form, x, kernel):
        maps = conv_of_pictures(x, kernel, strides=(1, 1), padding="SAME")
        return form(maps.reshape(-1, 8, *maps.shape[1:]))

    means = {
        name: parallel.on(known, functools.partial(mean, form))
        for name, form in forms.items()
    }
    return means, [(512, 56, 56, 64), (3, 3, 64, 64)], (0, 1)


def passes():
    """An activation of ResNet-18's first stage, 64 videos of 8 frames."""
    return {"one pass": jax.nn.relu}, [(512, 56, 56, 64)], (0,)


def convolutions(size, channels):
    """One of ResNet-18's."""
    convolve = functools.partial(conv_of_pictures, strides=(1, 1), padding="SAME")
    given = [(512, size, size, channels), (3, 3, channels, channels)]
    return {"3 x 3": convolve}, given, (0, 1)


CASES = {
    "attention, ViT-S/32": attentions,
    "patches, ViT-S/32": embeddings,
    "first unit, I3D": first_units,
    "stem, ResNet-18": stems,
    "mean of segments, 56 x 56 x 64": means_of_segments,
    "ReLU, 56 x 56 x 64": passes,
    "convolution, 56 x 56 x 64": functools.partial(convolutions, 56, 64),
    "convolution, 28 x 28 x 128": functools.partial(convolutions, 28, 128),
}


def estimate(form, shapes, trained, device):
    """What a function and its gradients take.

    Args:
      form: function of arrays.
      shapes: of the arrays.
      trained: those whose gradients are asked for, by position.
      device: chip that it is compiled for.

    Returns:
      Milliseconds of the estimate and of the floor, and seconds of the compilation.
    """
    here = jax.sharding.SingleDeviceSharding(device)

    def place(shape, dtype=jnp.bfloat16):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=here)

    def both(given, cotangent):
        def run(*wanted):
            known = dict(zip(trained, wanted))
            return form(*(known.get(i, each) for i, each in enumerate(given)))

        y, pull = jax.vjp(run, *(given[i] for i in trained))
        return y, pull(cotangent)

    given = [place(shape) for shape in shapes]
    made = jax.eval_shape(form, *given)
    out = place(made.shape, made.dtype)
    start = time.perf_counter()
    program = jax.jit(both).lower(given, out).compile()
    seconds = time.perf_counter() - start
    chip, costs = CHIPS[device.device_kind], program.cost_analysis()
    cycles = compiled.summary(program.as_text())["cycles"]
    found = {
        "device": {"kind": device.device_kind},
        "arithmetic": "bfloat16",
        "model_flops": costs["flops"],
        "bytes_accessed": costs["bytes accessed"],
    }
    floor = max(estimates.floors(found, chip).values())
    return cycles / chip.clock * 1e3, floor * 1e3, seconds


def main() -> None:
    """Prints a line a form."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--topology", default="v5e:2x2")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    given = parser.parse_args()
    device = topologies.devices(given.topology)[0]
    print(f"one {device.device_kind}, JAX {jax.__version__}: estimates of its compiler")
    for case in given.cases:
        forms, shapes, trained = CASES[case]()
        for name, form in forms.items():
            ms, floor, seconds = estimate(form, shapes, trained, device)
            print(
                f"{case}, {name}: {ms:.2f} ms, {ms / floor:.2f} times the floor; "
                f"compiled in {seconds:.0f} s"
            )


if __name__ == "__main__":
    main()

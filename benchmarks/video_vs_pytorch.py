"""Times training steps of PoseC3D and I3D in JAX and in PyTorch, side by side.

    python -m benchmarks.video_vs_pytorch --network=posec3d --repetitions=10

Both take the same weights and clips, cross-entropy and SGD with momentum. On a CPU a
third row is JAX with XLA's own convolutions over video, which `kdjax.models.conv3d`
replaces there. The steps take turns in one process, so that all meet the same machine.
PyTorch is no dependency of the project: it must be installed for this comparison alone.
"""

import argparse
import functools
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import turns
from experiments import xla_options
from kdjax.interop import i3d as i3d_weights
from kdjax.interop import posec3d as posec3d_weights
from kdjax.models import conv3d, i3d, posec3d

CLASSES, LEARNING_RATE, MOMENTUM = 10, 0.01, 0.9


class Case(NamedTuple):
    """A network of ours, its loader, its twin in PyTorch and the clips ``[B T H W C]``."""

    model: object
    loader: object
    twin: str
    shape: tuple


CASES = {
    "posec3d": Case(
        posec3d.Model(CLASSES, dropout=0.0),
        posec3d_weights,
        "PoseC3D",
        (4, 16, 56, 56, 17),
    ),
    "posec3d_tiny": Case(
        posec3d.Model(CLASSES, width=8, blocks=(1, 1, 1), dropout=0.0),
        posec3d_weights,
        "PoseC3D",
        (8, 16, 28, 28, 17),
    ),
    "i3d": Case(
        i3d.Model(CLASSES, dropout=0.0), i3d_weights, "I3D", (2, 16, 64, 64, 3)
    ),
    "i3d_tiny": Case(
        i3d.Model(CLASSES, width=0.125, dropout=0.0),
        i3d_weights,
        "I3D",
        (8, 16, 32, 32, 3),
    ),
}


def twins(torch):
    """Both networks in PyTorch, with the checkpoints' names."""
    nn, functional = torch.nn, torch.nn.functional

    class Unit(nn.Module):
        """Convolution, normalisation and ReLU, padded as TensorFlow or as PyTorch do."""

        def __init__(self, conv, before, after, kernel, strides, *, same, **norm):
            super().__init__()
            pads = (0, 0, 0) if same else [size // 2 for size in kernel]
            layer = nn.Conv3d(before, after, kernel, strides, pads, bias=False)
            self.add_module(conv, layer)
            self.bn = nn.BatchNorm3d(after, **norm)
            self.name, self.same, self.activate = conv, same, True

        def forward(self, x):
            layer = getattr(self, self.name)
            if self.same:
                x = padded(x, layer.kernel_size, layer.stride)
            x = self.bn(layer(x))
            return functional.relu(x) if self.activate else x

    def padded(x, kernel, strides):
        """TensorFlow's padding, with zeros."""
        pads = jax.lax.padtype_to_pads(x.shape[2:], kernel, strides, "SAME")
        return functional.pad(x, [n for pair in reversed(pads) for n in pair])

    def centred(*sizes):
        return Unit("conv", *sizes, same=False)

    class Block(nn.Module):
        """A bottleneck."""

        def __init__(self, before, width, strides, inflate):
            super().__init__()
            point = (1, 1, 1)
            first = (3, 1, 1) if inflate else point
            self.conv1 = centred(before, width, first, point)
            self.conv2 = centred(width, width, (1, 3, 3), strides)
            self.conv3 = centred(width, 4 * width, point, point)
            self.conv3.activate = False
            self.downsample = None
            if strides != point or before != 4 * width:
                self.downsample = centred(before, 4 * width, point, strides)
                self.downsample.activate = False

        def forward(self, x):
            y = self.conv3(self.conv2(self.conv1(x)))
            return functional.relu(y + (self.downsample(x) if self.downsample else x))

    class PoseC3D(nn.Module):
        """As pyskl builds it."""

        def __init__(self, model, channels):
            super().__init__()
            self.backbone, self.cls_head = nn.Module(), nn.Module()
            width = model.width
            stem = centred(channels, width, (1, 7, 7), (1, 1, 1))
            self.backbone.conv1 = stem
            before = width
            for stage, count in enumerate(model.blocks):
                blocks = []
                for index in range(count):
                    strides = (1, 1, 1) if index else (2 if stage > 1 else 1, 2, 2)
                    block = Block(before, width * 2**stage, strides, stage > 0)
                    blocks.append(block)
                    before = 4 * width * 2**stage
                self.backbone.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            self.stages = len(model.blocks)
            self.cls_head.fc_cls = nn.Linear(before, CLASSES)

        def forward(self, x):
            x = self.backbone.conv1(x)
            x = functional.max_pool3d(x, (1, 3, 3), 1, (0, 1, 1))
            for stage in range(self.stages):
                x = getattr(self.backbone, f"layer{stage + 1}")(x)
            return self.cls_head.fc_cls(x.mean((2, 3, 4)))

    def same(before, after, size, stride=1):
        constants = dict(eps=1e-3, momentum=0.01)
        kernel, strides = (size,) * 3, (stride,) * 3
        return Unit("conv3d", before, after, kernel, strides, same=True, **constants)

    class Mixed(nn.Module):
        """An Inception block."""

        def __init__(self, before, b0, b1a, b1b, b2a, b2b, b3b):
            super().__init__()
            self.b0 = same(before, b0, 1)
            self.b1a, self.b1b = same(before, b1a, 1), same(b1a, b1b, 3)
            self.b2a, self.b2b = same(before, b2a, 1), same(b2a, b2b, 3)
            self.b3b = same(before, b3b, 1)

        def forward(self, x):
            pooled = functional.max_pool3d(x, 3, 1, 1)
            one, two = self.b1b(self.b1a(x)), self.b2b(self.b2a(x))
            return torch.cat([self.b0(x), one, two, self.b3b(pooled)], 1)

    class I3D(nn.Module):
        """As PyTorch-I3D builds it."""

        def __init__(self, model, channels):
            super().__init__()

            def width(published):
                return max(1, round(published * model.width))

            self.Conv3d_1a_7x7 = same(channels, width(64), 7, 2)
            self.Conv3d_2b_1x1 = same(width(64), width(64), 1)
            self.Conv3d_2c_3x3 = same(width(64), width(192), 3)
            before = width(192)
            for stage, (_, blocks) in i3d.STAGES.items():
                for letter, published in blocks.items():
                    widths = [width(channels) for channels in published]
                    self.add_module(f"Mixed_{stage}{letter}", Mixed(before, *widths))
                    before = sum(widths[i] for i in (0, 2, 4, 5))
            self.logits = nn.Module()
            self.logits.conv3d = nn.Conv3d(before, CLASSES, 1)

        def forward(self, x):
            x = pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
            x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
            for stage, (window, blocks) in i3d.STAGES.items():
                x = pool(x, window, (min(window[0], 2), 2, 2))
                for letter in blocks:
                    x = getattr(self, f"Mixed_{stage}{letter}")(x)
            steps = x.mean((3, 4), keepdim=True)
            slots = (steps[:, :, :-1] + steps[:, :, 1:]) / 2
            return self.logits.conv3d(slots).mean((2, 3, 4))

    def pool(x, window, strides):
        return functional.max_pool3d(padded(x, window, strides), window, strides)

    return {"PoseC3D": PoseC3D, "I3D": I3D}


def torch_step(torch, network, x, labels):
    """A function that trains one step and returns its loss."""
    options = dict(lr=LEARNING_RATE, momentum=MOMENTUM)
    optimizer = torch.optim.SGD(network.parameters(), **options)
    clips = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
    targets = torch.from_numpy(labels.astype(np.int64))

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(clips), targets)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def jax_step(model, variables, x, labels):
    """A function that trains one step and returns its loss."""
    optimizer = optax.sgd(LEARNING_RATE, MOMENTUM)
    copy = functools.partial(jnp.array, copy=True)
    params, batch_stats = jax.tree.map(
        copy, (variables["params"], variables["batch_stats"])
    )
    state = (params, batch_stats, optimizer.init(params))
    x, labels = jnp.asarray(x), jnp.asarray(labels)

    def loss(params, batch_stats, x, labels):
        variables = {"params": params, "batch_stats": batch_stats}
        out, new = model.apply(variables, x, train=True, mutable=["batch_stats"])
        logits = out["logits"]
        values = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return values.mean(), new["batch_stats"]

    @functools.partial(
        jax.jit, donate_argnums=0, compiler_options=xla_options.of_steps()
    )
    def update(state, x, labels):
        params, batch_stats, opt_state = state
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, batch_stats), grads = gradient(params, batch_stats, x, labels)
        updates, opt_state = optimizer.update(grads, opt_state)
        return (optax.apply_updates(params, updates), batch_stats, opt_state), value

    def step():
        nonlocal state
        state, value = update(state, x, labels)
        jax.block_until_ready(state)
        return float(value)

    return step


def steps_of(torch, case):
    """Every contestant's step by name, compiled and agreeing on the first loss."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.shape).astype(np.float32)
    labels = rng.integers(0, CLASSES, case.shape[0]).astype(np.int32)
    network = twins(torch)[case.twin](case.model, case.shape[-1]).train()
    tensors = {n: t.detach().numpy() for n, t in network.state_dict().items()}
    like = jax.eval_shape(
        lambda x: case.model.init(jax.random.key(0), x, train=False), x
    )
    variables = case.loader.load(tensors, like)
    steps = {"JAX": jax_step(case.model, variables, x, labels)}
    losses = [steps["JAX"]()]
    plain = dict(
        _conv_by_frames=conv3d._conv_plainly, _pool_by_axes=conv3d._pool_plainly
    )
    with mock.patch.multiple(conv3d, **plain):
        steps["XLA's own"] = jax_step(case.model, variables, x, labels)
        losses.append(steps["XLA's own"]())
    steps["PyTorch"] = torch_step(torch, network, x, labels)
    losses.append(steps["PyTorch"]())
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4, err_msg="first losses")
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=CASES, default="posec3d")
    parser.add_argument("--repetitions", type=int, default=10)
    options = parser.parse_args()
    torch = turns.torch_module()
    jax.config.update("jax_platforms", "cpu")
    case = CASES[options.network]
    found = turns.take(steps_of(torch, case), options.repetitions)
    print(f"{options.network} on {case.shape}, {turns.machine(torch)}")
    turns.report(found, against="PyTorch")


if __name__ == "__main__":
    main()

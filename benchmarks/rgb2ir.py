"""Times the distillation step of RGB to infrared: its terms, and beside PyTorch.

    python -m benchmarks.rgb2ir --videos=2 --size=112 --repetitions=10

A ResNet-50 teacher in inference mode and a ResNet-18 student of 8 segments, cross-entropy,
SGD with momentum; all take the same weights and pictures. "whole" adds decoupled
distillation and graph cross-attention, "logits" softened logits alone, so that the
teacher runs in either and their difference is what the terms cost. PyTorch computes what
"logits" does. The steps take turns in one process. Without PyTorch, which is no
dependency of the project, the first two are timed alone.
"""

import argparse
import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import turns
from experiments import xla_options
from kdjax import core
from kdjax.core import Network
from kdjax.interop import tsn as weights
from kdjax.methods import distill, rgb2ir, supervised
from kdjax.models import tsn

CLASSES, SEGMENTS = 10, 8
LEARNING_RATE, MOMENTUM, KL_WEIGHT, TEMPERATURE = 0.001, 0.9, 0.9, 4.0
DEPTHS = {"teacher": 50, "student": 18}
INPUTS = {"teacher": "rgb", "student": "ir"}


def networks():
    """Both networks by role, without dropout, which no two frameworks draw alike."""
    return {
        role: Network(tsn.Model(CLASSES, depth=depth, dropout=0.0), (INPUTS[role],))
        for role, depth in DEPTHS.items()
    }


def make_batch(videos, size):
    """Pictures of both cameras, labels and a mask."""
    rng = np.random.default_rng(0)
    shape = (videos, SEGMENTS, size, size, 3)
    pictures = {
        name: rng.standard_normal(shape).astype(np.float32) for name in INPUTS.values()
    }
    label = rng.integers(0, CLASSES, videos).astype(np.int32)
    return {**pictures, "label": label, "mask": np.ones(videos, np.float32)}


def fresh(batch):
    """Variables of both roles, drawn alike for every contestant."""
    return {
        role: jax.jit(network.init)(jax.random.key(number), batch)
        for number, (role, network) in enumerate(networks().items())
    }


def methods():
    """The two losses by name."""
    found = networks()
    parts = dict(
        network=found["student"],
        teachers={"teacher": supervised.make(network=found["teacher"])},
    )
    logits = dict(term="none", kl_weight=KL_WEIGHT, temperature=TEMPERATURE)
    return {"whole": rgb2ir.make(**parts), "logits": distill.make(**parts, **logits)}


def jax_step(method, variables, batch):
    """A function that trains one step and returns its loss."""
    optimizer = optax.sgd(LEARNING_RATE, MOMENTUM)
    batch = jax.tree.map(jnp.asarray, batch)
    frozen = {"teacher": variables["teacher"]}
    init = functools.partial(core.init_state, method, optimizer)
    shapes = jax.eval_shape(init, jax.random.key(1), batch, frozen)
    params, state = variables["student"]
    # What training adds to the network's own variables begins at zero.
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    state = blank._replace(
        params={**blank.params, **params}, state={**blank.state, **state}
    )
    state = jax.tree.map(functools.partial(jnp.array, copy=True), state)
    update = jax.jit(
        functools.partial(core.train_step, method, optimizer),
        donate_argnums=0,
        compiler_options=xla_options.of_steps(),
    )

    def step():
        nonlocal state
        state, metrics = update(state, frozen, batch, jax.random.key(0))
        jax.block_until_ready(state)
        return float(metrics["loss"])

    return step


def twin(torch, depth):
    """The same network in PyTorch, with torchvision's names, over single pictures."""
    nn, functional = torch.nn, torch.nn.functional
    counts, bottleneck = tsn.DEPTHS[depth]

    class Block(nn.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            after = 4 * width if bottleneck else width
            sizes = (1, 3, 1) if bottleneck else (3, 3)
            widths = (width, width, after) if bottleneck else (width, width)
            channels, self.count = before, len(sizes)
            for number, (size, out) in enumerate(zip(sizes, widths), 1):
                # The stride is on the first convolution of 3x3.
                own = stride if number == (2 if bottleneck else 1) else 1
                layer = nn.Conv2d(channels, out, size, own, size // 2, bias=False)
                self.add_module(f"conv{number}", layer)
                self.add_module(f"bn{number}", nn.BatchNorm2d(out))
                channels = out
            self.downsample = None
            if stride != 1 or before != after:
                skip = nn.Conv2d(before, after, 1, stride, bias=False)
                self.downsample = nn.Sequential(skip, nn.BatchNorm2d(after))

        def forward(self, x):
            y = x
            for number in range(1, self.count + 1):
                y = getattr(self, f"conv{number}")(y)
                y = getattr(self, f"bn{number}")(y)
                y = functional.relu(y) if number < self.count else y
            return functional.relu(y + (self.downsample(x) if self.downsample else x))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1, before = nn.BatchNorm2d(64), 64
            for stage, count in enumerate(counts):
                blocks, width = [], 64 * 2**stage
                for index in range(count):
                    stride = 2 if stage and not index else 1
                    blocks.append(Block(before, width, stride))
                    before = 4 * width if bottleneck else width
                self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            self.fc = nn.Linear(before, CLASSES)

        def forward(self, x):
            rows = len(x)
            x = functional.relu(self.bn1(self.conv1(x.flatten(0, 1))))
            x = functional.max_pool2d(x, 3, 2, 1)
            for stage in range(len(counts)):
                x = getattr(self, f"layer{stage + 1}")(x)
            return self.fc(x.mean((2, 3)).view(rows, SEGMENTS, -1).mean(1))

    return ResNet()


def torch_step(torch, batch):
    """A function that trains one step, and the weights that it begins with."""
    functional = torch.nn.functional
    student, teacher = twin(torch, DEPTHS["student"]), twin(torch, DEPTHS["teacher"])
    student.train(), teacher.eval()
    tensors = {
        role: {n: t.detach().numpy().copy() for n, t in network.state_dict().items()}
        for role, network in (("student", student), ("teacher", teacher))
    }
    options = dict(lr=LEARNING_RATE, momentum=MOMENTUM)
    optimizer = torch.optim.SGD(student.parameters(), **options)
    pictures = {
        name: torch.from_numpy(np.moveaxis(batch[name], -1, 2).copy())
        for name in INPUTS.values()
    }
    label = torch.from_numpy(batch["label"].astype(np.int64))

    def step():
        optimizer.zero_grad()
        with torch.no_grad():
            taught = teacher(pictures["rgb"])
        ours = student(pictures["ir"])
        kl = functional.kl_div(
            functional.log_softmax(ours / TEMPERATURE, 1),
            functional.softmax(taught / TEMPERATURE, 1),
            reduction="batchmean",
        )
        loss = functional.cross_entropy(ours, label)
        loss = loss + KL_WEIGHT * TEMPERATURE**2 * kl
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step, tensors


def loaded(tensors, like):
    """A checkpoint's variables as those of a role."""
    params, state = like
    found = dict(weights.load(tensors, {"params": params, **state}))
    return found.pop("params"), found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=2)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--repetitions", type=int, default=10)
    options = parser.parse_args()
    batch = make_batch(options.videos, options.size)
    variables, torch, steps = fresh(batch), None, {}
    if importlib.util.find_spec("torch"):
        jax.config.update("jax_platforms", "cpu")
        torch = turns.torch_module()
        steps["PyTorch"], tensors = torch_step(torch, batch)
        variables = {r: loaded(tensors[r], like) for r, like in variables.items()}
    steps |= {n: jax_step(m, variables, batch) for n, m in methods().items()}
    first = {name: step() for name, step in steps.items()}
    if torch is not None:
        np.testing.assert_allclose(first["logits"], first["PyTorch"], rtol=1e-4)
    found = turns.take(steps, options.repetitions)
    print(
        f"{options.videos} videos of {SEGMENTS} pictures of {options.size} pixels, "
        + turns.machine(torch)
    )
    turns.report(found, against="logits")


if __name__ == "__main__":
    main()

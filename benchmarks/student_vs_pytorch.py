"""Times the accelerometer student's training in JAX and in PyTorch, side by side.

    python -m benchmarks.student_vs_pytorch --repetitions=20

Both train one network from one set of weights on the same batches with Adam: an epoch of
431 clips of 128 steps, 13 batches of 32, the rest dropped. The epochs take turns in one
process, so that both meet the same machine. PyTorch is no dependency of the project: it
must be installed for this comparison alone.
"""

import argparse
import functools
import os
import platform
import statistics
import sys
import time

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import xla_options
from kdjax.models import cnn1d

CLIPS, BATCH, STEPS, CHANNELS, CLASSES = 431, 32, 128, 3, 27
LEARNING_RATE = 1e-3


def make_batches():
    """One epoch of random batches, channels last."""
    rng = np.random.default_rng(0)
    shape = (CLIPS // BATCH, BATCH, STEPS, CHANNELS)
    labels = rng.integers(0, CLASSES, shape[:2])
    return rng.standard_normal(shape).astype(np.float32), labels.astype(np.int32)


def torch_network(torch):
    """The network of `kdjax.models.cnn1d` with its default sizes."""
    nn, layers, channels = torch.nn, [], CHANNELS
    for width in cnn1d.Model.widths:
        conv = nn.Conv1d(channels, width, 7, padding=3, bias=False)
        layers += [conv, nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2)]
        channels = width
    pool = [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
    head = [nn.Linear(channels, 256), nn.ReLU(), nn.Linear(256, CLASSES)]
    return nn.Sequential(*layers, *pool, *head)


def copied(torch, network, variables):
    """Our variables with the PyTorch network's parameters."""
    params = jax.tree.map(np.asarray, variables["params"])
    convolutions = [m for m in network if isinstance(m, torch.nn.Conv1d)]
    linears = [m for m in network if isinstance(m, torch.nn.Linear)]
    for i, layer in enumerate(convolutions, start=1):
        params[f"conv{i}"]["kernel"] = layer.weight.detach().numpy().transpose(2, 1, 0)
    for i, layer in enumerate(linears):
        params["head"][f"fc{i}"] = {
            "kernel": layer.weight.detach().numpy().T,
            "bias": layer.bias.detach().numpy(),
        }
    # A copy: PyTorch goes on to change its own memory.
    copy = functools.partial(jnp.array, dtype=jnp.float32, copy=True)
    return jax.tree.map(copy, {**variables, "params": params})


def torch_epochs(torch, network, x, labels):
    """A function that trains one epoch and returns its first loss."""
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    batches = torch.from_numpy(x.transpose(0, 1, 3, 2).copy())
    targets = torch.from_numpy(labels.astype(np.int64))

    def epoch():
        losses = []
        for batch, target in zip(batches, targets):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(batch), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(losses[0])

    return epoch


def jax_epochs(model, variables, x, labels):
    """A function that trains one epoch and returns its first loss."""
    optimizer = optax.adam(LEARNING_RATE)
    state = (variables["params"], variables["batch_stats"])
    state = (*state, optimizer.init(state[0]))
    batches = [(jnp.asarray(a), jnp.asarray(b)) for a, b in zip(x, labels)]

    def loss(params, batch_stats, x, label):
        variables = {"params": params, "batch_stats": batch_stats}
        out, new = model.apply(variables, x, train=True, mutable=["batch_stats"])
        logits = out["logits"]
        values = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return values.mean(), new["batch_stats"]

    @functools.partial(
        jax.jit, donate_argnums=0, compiler_options=xla_options.of_steps()
    )
    def step(state, x, label):
        params, batch_stats, opt_state = state
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, batch_stats), grads = gradient(params, batch_stats, x, label)
        updates, opt_state = optimizer.update(grads, opt_state)
        return (optax.apply_updates(params, updates), batch_stats, opt_state), value

    def epoch():
        nonlocal state
        losses = []
        for batch in batches:
            state, value = step(state, *batch)
            losses.append(value)
        jax.block_until_ready((state, losses))
        return float(losses[0])

    return epoch


def compare(epochs, repetitions):
    """Seconds of each epoch by framework, taken in turns after two to warm up."""
    first = {name: [epoch(), epoch()][0] for name, epoch in epochs.items()}
    np.testing.assert_allclose(*first.values(), rtol=1e-4, err_msg="first losses")
    seconds = {name: [] for name in epochs}
    for _ in range(repetitions):
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    repetitions = parser.parse_args().repetitions
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: this comparison alone needs it.")
    jax.config.update("jax_platforms", "cpu")
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, labels = make_batches()
    network, model = torch_network(torch), cnn1d.Model(CLASSES)
    variables = model.init(jax.random.key(0), jnp.asarray(x[0]), train=False)
    variables = copied(torch, network, variables)
    epochs = {
        "PyTorch": torch_epochs(torch, network, x, labels),
        "JAX": jax_epochs(model, variables, x, labels),
    }
    seconds = compare(epochs, repetitions)
    print(
        f"{threads} threads each, {platform.machine()}, load {os.getloadavg()[0]:.1f}; "
        f"PyTorch {torch.__version__}, JAX {jax.__version__}, Flax {flax.__version__}"
    )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(
            f"{name}: median {medians[name] * 1e3:.0f} ms an epoch of "
            f"{len(x)} steps, best {min(values) * 1e3:.0f} ms, {repetitions} epochs"
        )
    ratio = medians["PyTorch"] / medians["JAX"]
    print(f"PyTorch takes {ratio:.2f} times as long as JAX")


if __name__ == "__main__":
    main()

"""Two hundred steps in bfloat16 end where those in float32 do, within a stated band."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core
from kdjax.methods import supervised
from kdjax.models import agcn, cnn1d

KEY = jax.random.key(11)
STEPS, LAST, ROWS, FRAMES, CLASSES = 200, 20, 16, 8, 4
BAND = 0.01
"""Of the loss at the beginning: how far the mean loss of the last steps may differ."""


def recordings():
    """A wave a class, in noise that leaves some of them undecided."""
    random, label = np.random.default_rng(4), np.arange(ROWS) % CLASSES
    time = np.linspace(0.0, 2 * np.pi, FRAMES)
    wave = np.sin((label[:, None] + 1) * time)[..., None] * np.ones(3)
    inertial = wave + 2.0 * random.normal(size=wave.shape)
    joints = 3.0 * random.normal(size=(ROWS, FRAMES, 1, 20, 3)) + wave[:, :, None, None]
    batch = {"inertial": inertial, "skeleton": joints, "mask": np.ones(ROWS)}
    batch = {name: jnp.asarray(x, jnp.float32) for name, x in batch.items()}
    return {**batch, "label": jnp.asarray(label, jnp.int32)}


NETWORKS = {
    "cnn1d": (cnn1d.Model, "inertial", dict(widths=(8, 8), hidden=8, dropout=0.2)),
    "agcn": (agcn.Model, "skeleton", dict(width=4, blocks=(1,), hidden=8)),
}


def trained(name, dtype):
    """The loss of every step, and the last train state."""
    module, stream, options = NETWORKS[name]
    network = core.Network(module(CLASSES, **options, dtype=dtype), (stream,))
    method = supervised.make(network=network, label_smoothing=0.1)
    optimizer, batch = optax.adam(3e-3), recordings()
    step = functools.partial(core.train_step, method, optimizer)

    @jax.jit
    def run():
        state = core.init_state(method, optimizer, KEY, batch, {})
        once = lambda state, _: step(state, {}, batch, KEY)
        return jax.lax.scan(once, state, length=STEPS)

    state, metrics = run()
    return np.asarray(metrics["loss"]), state


@pytest.mark.parametrize("name", NETWORKS)
def test_two_hundred_steps_end_at_the_same_loss(name):
    exact, _ = trained(name, "float32")
    half, state = trained(name, "bfloat16")
    kinds = {leaf.dtype for leaf in jax.tree.leaves(state)} - {np.dtype("int32")}
    assert kinds == {np.dtype("float32")}
    assert exact[-LAST:].mean() < 0.8 * exact[0]
    assert not np.array_equal(exact, half)
    assert abs(exact[-LAST:].mean() - half[-LAST:].mean()) < BAND * exact[0]

"""What tests of networks over several cameras share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

TINY = {
    "multitsf": dict(depth=1, heads=2, sensor_heads=2, sensor_hidden=6),
    "multiasl": dict(heads=2, head_dim=4, ratio=3),
    "multitrans": dict(depth=1, heads=2, sensor_heads=2),
}
"""Backbones small enough for tests."""


def array(*shape, seed=0):
    """Random features."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def filled(module, *args):
    """Variables of a module, all of them random: zeros would hide errors."""
    like = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, train=False))
    leaves, structure = jax.tree.flatten(like)
    leaves = [np.asarray(0.3 * array(*x.shape, seed=i)) for i, x in enumerate(leaves)]
    return jax.tree.unflatten(structure, leaves)


@functools.cache
def compiled(module):
    """A module in inference mode, compiled once a shape."""
    return jax.jit(functools.partial(module.apply, train=False))


def run(module, variables, *args):
    """Outputs in inference mode."""
    return jax.tree.map(np.asarray, compiled(module)(variables, *args))


def lengthen(x, axis, count, value):
    """More entries along an axis, behind, all of one value."""
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return jnp.concatenate([x, jnp.full(shape, value, x.dtype)], axis)

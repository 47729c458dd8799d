"""A network of a few dozen parameters and a batch, for tests of what drives them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from kdjax.core import Network

CLASSES = 5


class Tiny(nn.Module):
    """Three pointwise layers that halve the time, then the head of every network.

    Attributes:
      num_classes: K.
      width: channels.
      hidden: width of the vector before the last layer.
      norm: batch normalisation; without it no row of a batch feels another.
      dropout: rate on the hidden vector.
      graph: whether stages look like a graph network's, ``[B M T J C]``.
    """

    num_classes: int = CLASSES
    width: int = 6
    hidden: int = 7
    norm: bool = True
    dropout: float = 0.0
    graph: bool = False

    @nn.compact
    def __call__(self, *streams, train):
        flat = [x.reshape(*x.shape[:2], -1) for x in streams]
        x, stages = jnp.concatenate(flat, axis=-1), []
        for _ in range(3):
            x = jnp.tanh(nn.Dense(self.width)(x))[:, ::2]
            if self.norm:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
            stages.append(x)
        features = x.mean(axis=1)
        hidden = nn.Dense(self.hidden)(features)
        dropped = nn.Dropout(self.dropout, deterministic=not train)(nn.relu(hidden))
        if self.graph:
            parts = [s.reshape(*s.shape[:2], 1, 2, -1) for s in stages]
            stages = [jnp.moveaxis(s, 2, 1) for s in parts]
        return {
            "logits": nn.Dense(self.num_classes)(dropped),
            "features": features,
            "hidden": hidden,
            "stages": tuple(stages),
        }


def network(*inputs, **options):
    """A tiny network on the named inputs, by default the accelerometer."""
    return Network(Tiny(**options), inputs or ("inertial",))


def batch(seed=0, rows=8, steps=16, padding=0):
    """Random arrays of every modality; the last `padding` rows are not real."""
    random = np.random.default_rng(seed)
    values = {
        "skeleton": random.normal(size=(rows, steps, 1, 4, 3)).astype(np.float32),
        "inertial": random.normal(size=(rows, steps, 3)).astype(np.float32),
        "label": random.integers(0, CLASSES, size=rows).astype(np.int32),
        "mask": (np.arange(rows) < rows - padding).astype(np.float32),
    }
    return {name: jnp.asarray(value) for name, value in values.items()}


def with_garbage(values):
    """The same batch with other, large numbers and labels in its padding."""
    real = np.asarray(values["mask"]) > 0
    garbage = np.random.default_rng(99)
    out = {"mask": values["mask"]}
    for name in ("skeleton", "inertial"):
        array = np.array(values[name])
        array[~real] = 100.0 * garbage.normal(size=array[~real].shape)
        out[name] = jnp.asarray(array)
    label = np.array(values["label"])
    label[~real] = (label[~real] + 1) % CLASSES
    return {**out, "label": jnp.asarray(label)}


def copy(tree):
    """The tree's values on the host, which nothing that follows can change."""
    return jax.tree.map(np.array, tree)


def assert_same(ours, theirs, what="trees"):
    """Bit for bit the same structure and values."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs), what
    pairs = zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs))
    for (path, mine), other in pairs:
        where = f"{what}{jax.tree_util.keystr(path)}"
        assert mine.dtype == other.dtype, where
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(other), where)


def assert_close(ours, theirs, atol=1e-6, rtol=1e-6):
    """The same structure, and values within rounding error."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs)):
        np.testing.assert_allclose(
            np.asarray(mine), np.asarray(other), atol=atol, rtol=rtol
        )

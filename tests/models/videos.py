"""A network of pictures of a few parameters, for tests of what drives it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from kdjax.core import Network

CLASSES = 5


class Pictures(nn.Module):
    """Two strided convolutions of each segment, then the head of a TSN.

    Attributes:
      width: channels of the first map; the second has twice as many.
      norm: batch normalisation; without it no row of a batch feels another.
    """

    width: int = 4
    norm: bool = False

    @nn.compact
    def __call__(self, x, *, train):
        stages = []
        for factor in (1, 2):
            x = nn.Conv(self.width * factor, (1, 3, 3), strides=(1, 2, 2))(x)
            if self.norm:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
            x = nn.relu(x)
            stages.append(x)
        features = x.mean(axis=(1, 2, 3))
        logits = nn.Dense(CLASSES)(features)
        return {
            "logits": logits,
            "features": features,
            "hidden": features,
            "stages": tuple(stages),
        }


def network(name="ir", **options):
    """A network on one modality."""
    return Network(Pictures(**options), (name,))


def batch(seed=0, rows=6, segments=3, padding=0):
    """Segments of colour and, coarser, of infrared pictures."""
    rng = np.random.default_rng(seed)

    def drawn(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    mask = np.ones(rows, np.float32)
    mask[rows - padding :] = 0
    return {
        "rgb": drawn(rows, segments, 12, 12, 3),
        "ir": drawn(rows, segments, 8, 8, 1),
        "label": jax.random.randint(jax.random.key(seed), (rows,), 0, CLASSES),
        "mask": jnp.asarray(mask),
    }

"""SimSiam's loss of two views."""

import jax
import jax.numpy as jnp

from kdjax.losses.contrastive import negative_cosine

NAMES = ("p1", "p2", "z1", "z2")


def compute(meta, inputs, weights):
    """The symmetric loss and its gradients, those of the targets being zero."""

    def loss(p1, p2, z1, z2):
        pair = negative_cosine(p1, z2) + negative_cosine(p2, z1)
        return jnp.mean(pair) / 2

    arrays = [jnp.asarray(inputs[name]) for name in NAMES]
    value, grads = jax.value_and_grad(loss, argnums=range(4))(*arrays)
    return {"loss": value, **{f"grad_{n}": g for n, g in zip(NAMES, grads)}}

"""Generalised cross-entropy of actionness."""

import jax
import jax.numpy as jnp

from kdjax.losses import multilabel


def compute(meta, inputs, weights):
    """The mean over the batch and its gradient."""
    q, y = meta["hyper"]["q"], jnp.asarray(inputs["y"])

    def loss(p):
        return multilabel.generalised_cross_entropy(p, y, q=q).mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(inputs["p"]))
    return {"loss": value, "grad_p": gradient}

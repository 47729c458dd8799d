"""SimSiam's loss over all pairs of N views; the reference's first axis is the view."""

import jax
import jax.numpy as jnp

from kdjax.losses import contrastive


def compute(meta, inputs, weights):
    """The sum over pairs, each pair alone, and the gradients."""
    z, h = (jnp.asarray(inputs[name]).swapaxes(0, 1) for name in "zh")
    views = z.shape[1]

    def loss(z, h):
        return jnp.mean(contrastive.view_agreement(z, h))

    def pair(u, v):
        chosen = jnp.array([u, v])
        return loss(z[:, chosen], h[:, chosen]) if u < v else jnp.zeros(())

    value, (grad_z, grad_h) = jax.value_and_grad(loss, argnums=(0, 1))(z, h)
    pairs = jnp.array([[pair(u, v) for v in range(views)] for u in range(views)])
    grads = {"grad_z": grad_z.swapaxes(0, 1), "grad_h": grad_h.swapaxes(0, 1)}
    return {"loss": value, "pair": pairs, **grads}

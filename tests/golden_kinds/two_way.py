"""Two-way multi-label loss."""

import jax
import jax.numpy as jnp

from kdjax.losses import multilabel


def compute(meta, inputs, weights):
    """The loss of the batch and its gradient."""
    hyper, y = meta["hyper"], jnp.asarray(inputs["y"])

    def loss(x):
        return multilabel.two_way(
            x, y, positive_temperature=hyper["Tp"], negative_temperature=hyper["Tn"]
        )

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(inputs["x"]))
    return {"loss": value, "grad_x": gradient}

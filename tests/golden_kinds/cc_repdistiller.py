"""Correlation congruence of consecutive rows, both sides embedded by trained layers."""

import jax
import jax.numpy as jnp

from kdjax.losses import relational
from kdjax.models.adapters import Embed


def _embed(weights, side, rows):
    kernel = jnp.asarray(weights[f"embed_{side}.linear.weight"]).T
    bias = jnp.asarray(weights[f"embed_{side}.linear.bias"])
    module = Embed(features=kernel.shape[1], normalise=True)
    names = jax.eval_shape(module.init, jax.random.key(0), rows)["params"]
    (layer,) = names
    return module.apply({"params": {layer: {"kernel": kernel, "bias": bias}}}, rows)


def compute(meta, inputs, weights):
    """The loss, both embeddings and the gradients into both features."""

    def loss(s, t):
        embedded = _embed(weights, "s", s), _embed(weights, "t", t)
        return relational.correlation_consecutive(*embedded), embedded

    sides = jnp.asarray(inputs["s"]), jnp.asarray(inputs["t"])
    gradient = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    (value, (s, t)), (grad_s, grad_t) = gradient(*sides)
    out = {"embed_s": s, "embed_t": t, "grad_s": grad_s, "grad_t": grad_t}
    return {"loss": value, **out}

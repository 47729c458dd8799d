"""Consistency of views, its ablations and the divergence of every pair."""

import itertools

import jax
import jax.numpy as jnp

from kdjax.losses import consistency

VARIANTS = {
    "loss": {},
    "loss_visible": {"norm": "visible"},
    "loss_no_weight": {"weight": "none"},
    "loss_no_mask": {"masked": False},
    "loss_kl": {"divergence": "kl"},
}


def compute(meta, inputs, weights):
    """The means over the batch, the divergences, and the gradient of the first."""
    logits, mask = jnp.asarray(inputs["logits"]), jnp.asarray(inputs["mask"])

    def loss(logits, **options):
        return consistency.view_consistency(logits, mask, **options).mean()

    def everything(logits):
        out = {name: loss(logits, **options) for name, options in VARIANTS.items()}
        log_p = jax.nn.log_softmax(logits)
        pairs = itertools.combinations(range(logits.shape[1]), 2)
        each = [consistency.js(log_p[:, i], log_p[:, j]) for i, j in pairs]
        out["js"], out["grad_logits"] = jnp.stack(each, 1), jax.grad(loss)(logits)
        return out

    return jax.jit(everything)(logits)

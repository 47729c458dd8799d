"""Softened KL divergence of logits."""

import jax
import jax.numpy as jnp

from kdjax.losses import logits


def compute(meta, inputs, weights):
    """The mean over the batch and its gradient."""
    temperature = meta["hyper"]["T"]
    teacher = jnp.asarray(inputs["teacher"])

    def loss(student):
        return logits.kd_kl(student, teacher, temperature=temperature).mean()

    value, gradient = jax.value_and_grad(loss)(jnp.asarray(inputs["student"]))
    return {"loss": value, "grad_student": gradient}

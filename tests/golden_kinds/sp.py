"""Similarity-preserving distillation; the reference returns one entry per stage."""

import jax
import jax.numpy as jnp

from kdjax.losses import relational


def compute(meta, inputs, weights):
    """The sum over stages and its gradients; layout is free, for maps are flattened."""
    stages = len(meta["hyper"]["stages"])
    teachers = [jnp.asarray(inputs[f"t{k}"]) for k in range(stages)]
    students = [jnp.asarray(inputs[f"s{k}"]) for k in range(stages)]

    def loss(maps):
        pairs = zip(maps, teachers)
        return sum(relational.similarity_preserving(s, t) for s, t in pairs)

    value, gradients = jax.value_and_grad(loss)(students)
    out = {f"grad_s{k}": g for k, g in enumerate(gradients)}
    return {"loss": value.reshape(1), **out}

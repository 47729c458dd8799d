"""Attention transfer between the stages of two networks."""

import jax
import jax.numpy as jnp

from kdjax.losses import features


def _channels_last(inputs, side, stages):
    maps = (inputs[f"{side}{k}"] for k in range(stages))
    return [jnp.moveaxis(jnp.asarray(f), 1, -1) for f in maps]


def compute(meta, inputs, weights):
    """The mean over the batch by stage, its sum and the gradients of the sum."""
    stages, exponent = len(meta["hyper"]["stages"]), meta["hyper"]["p"]
    students = _channels_last(inputs, "s", stages)
    teachers = _channels_last(inputs, "t", stages)

    def loss(maps):
        per_example = features.attention_transfer_stages(
            maps, teachers, exponent=exponent
        )
        return per_example.mean()

    value, gradients = jax.jit(jax.value_and_grad(loss))(students)
    per_stage = [
        features.attention_transfer(s, t, exponent=exponent).mean()
        for s, t in zip(students, teachers)
    ]
    out = {f"grad_s{k}": jnp.moveaxis(g, -1, 1) for k, g in enumerate(gradients)}
    return {"loss": value, "per_stage": jnp.stack(per_stage), **out}

"""Hallucinated features beside hard and soft targets."""

import jax
import jax.numpy as jnp

from kdjax.losses import classification, features


def compute(meta, inputs, weights):
    """The terms as the public code weighs them, and the gradients of their sum."""
    temperature = meta["hyper"]["T"]
    inputs = {name: jnp.asarray(value) for name, value in inputs.items()}
    target = inputs["target"].astype(jnp.int32)
    soft_target = jax.nn.softmax(inputs["teacher"] / temperature)

    def loss(student, feature):
        # One frame an example; the public code sums over the batch.
        made_up, sensed = (f[:, None] for f in (feature, inputs["feat_t"]))
        terms = {
            "feature": features.hallucination(made_up, sensed, form="sigmoid").sum(),
            "hard": classification.cross_entropy(student, target).mean(),
            "soft": classification.soft_cross_entropy(
                student / temperature, soft_target
            ).mean(),
        }
        logits = 0.5 * (terms["hard"] + terms["soft"])
        return 0.5 * logits + 0.5 * 0.01 * terms["feature"], terms

    gradient = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    (total, terms), grads = jax.jit(gradient)(inputs["student"], inputs["feat_s"])
    return {
        **terms,
        "total": total,
        "grad_student": grads[0],
        "grad_feat_s": grads[1],
    }

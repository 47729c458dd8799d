"""Decoupled distillation and its two terms."""

import jax
import jax.numpy as jnp

from kdjax.losses import decoupled, logits


def compute(meta, inputs, weights):
    """Means over the batch, and the gradients of the loss and of each term."""
    hyper = meta["hyper"]
    teacher, label = jnp.asarray(inputs["teacher"]), jnp.asarray(inputs["target"])

    def terms(student):
        tckd, nckd = decoupled.decoupled_terms(
            student, teacher, label, temperature=float(hyper["T"])
        )
        loss = decoupled.decoupled(
            student,
            teacher,
            label,
            temperature=float(hyper["T"]),
            target_weight=hyper["alpha"],
            others_weight=hyper["beta"],
        )
        return {"loss": loss.mean(), "tckd": tckd.mean(), "nckd": nckd.mean()}

    student = jnp.asarray(inputs["student"])
    slopes = jax.jacrev(terms)(student)
    divergence = logits.kd_kl(student, teacher, temperature=float(hyper["T"]))
    return {
        **terms(student),
        "kd": divergence.mean(),
        "grad_student": slopes["loss"],
        "grad_tckd__student": slopes["tckd"],
        "grad_nckd__student": slopes["nckd"],
    }

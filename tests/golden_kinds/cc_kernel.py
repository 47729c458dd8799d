"""Correlation congruence in its published form."""

import jax
import jax.numpy as jnp

from kdjax.losses import relational


def compute(meta, inputs, weights):
    """The loss, the student's kernel matrix and the gradient."""
    hyper = {"gamma": meta["hyper"]["gamma"], "order": meta["hyper"]["P_order"]}
    student, teacher = jnp.asarray(inputs["s"]), jnp.asarray(inputs["t"])

    def loss(rows):
        return relational.correlation_kernel(rows, teacher, **hyper)

    value, gradient = jax.value_and_grad(loss)(student)
    matrix = relational.correlation_matrix(student, **hyper)
    return {"loss": value, "corr_s": matrix, "grad_s": gradient}

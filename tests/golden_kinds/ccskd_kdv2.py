"""The divergence that the teacher's correct answers guide."""

import jax
import jax.numpy as jnp

from kdjax.losses import logits


def compute(meta, inputs, weights):
    """The mean over the batch, its gradient, and the plain divergence."""
    hyper = meta["hyper"]
    teacher, label = jnp.asarray(inputs["teacher"]), jnp.asarray(inputs["target"])
    decay = 0.9 ** (hyper["epoch"] // 30)

    def loss(student):
        return logits.guided_kl(
            student, teacher, label, temperature=float(hyper["T"]), decay=decay
        ).mean()

    student = jnp.asarray(inputs["student"])
    value, gradient = jax.value_and_grad(loss)(student)
    plain = logits.kd_kl(student, teacher, temperature=float(hyper["T"])).mean()
    return {"loss": value, "grad_student": gradient, "plain_kd": plain}

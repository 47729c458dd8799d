"""Confidence-aware distillation from several teachers."""

import jax
import jax.numpy as jnp

from kdjax.losses import confidence


def compute(meta, inputs, weights):
    """Weights, divergences, both losses and the gradients of both."""
    temperature = float(meta["hyper"]["T"])
    student, teachers, label, feat_s, feat_t = (
        jnp.asarray(inputs[name])
        for name in ("student", "teachers", "target", "feat_s", "feat_t")
    )
    omega = confidence.confidence_weights(
        confidence.teacher_cross_entropy(teachers, label)
    )

    def kd(student, feat_s):
        per_example = confidence.confidence_kd(
            student, teachers, label, temperature=temperature
        )
        return per_example.mean()

    def feat(student, feat_s):
        return confidence.confidence_hint(feat_s, feat_t, omega).mean()

    out = {"weight": omega}
    out["kl_per_sample"] = confidence.divergences(
        student, teachers, temperature=temperature
    )
    for name, loss in (("kd", kd), ("feat", feat)):
        gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
        out[name], grads = gradient(student, feat_s)
        prefix = "grad_" if name == "kd" else "grad_feat__"
        out[f"{prefix}student"], out[f"{prefix}feat_s"] = grads
    return out

"""Relational distillation: distances, angles and their weighted sum."""

import jax
import jax.numpy as jnp

from kdjax.losses import relational


def compute(meta, inputs, weights):
    """The three values and the gradient of each."""
    names = ("distance_weight", "angle_weight")
    factors = {name: float(meta["hyper"][name]) for name in names}
    student, teacher = jnp.asarray(inputs["s"]), jnp.asarray(inputs["t"])
    losses = {
        "loss": lambda s: relational.rkd(s, teacher, **factors),
        "distance": lambda s: relational.rkd_distance(s, teacher),
        "angle": lambda s: relational.rkd_angle(s, teacher),
    }
    out = {}
    for name, loss in losses.items():
        out[name], gradient = jax.jit(jax.value_and_grad(loss))(student)
        out["grad_s" if name == "loss" else f"grad_{name}__s"] = gradient
    return out

"""The adaptive-confidence semantic loss under both readings of its gate."""

import functools

import jax
import jax.numpy as jnp

from kdjax.losses import confidence, multi_teacher
from kdjax.losses.classification import cross_entropy


def compute(meta, inputs, weights):
    """Every term by gate, and the gradients of the totals."""
    hyper = meta["hyper"]
    names = ("student", "teachers", "target", "hidden_s", "hidden_t")
    student, teachers, label, hidden, hidden_teachers = (
        jnp.asarray(inputs[name]).astype(jnp.int32 if name == "target" else jnp.float32)
        for name in names
    )
    options = {name: float(hyper[name]) for name in ("alpha", "beta")}
    options["temperature"] = options["mk_temperature"] = float(hyper["tau"])
    if "gamma" in hyper:
        options["gamma"] = float(hyper["gamma"])

    def acs(student, hidden, **more):
        total, terms = multi_teacher.acs(
            student, teachers, label, hidden, hidden_teachers, **options, **more
        )
        return total.mean(), jax.tree.map(jnp.mean, terms)

    tau = options["temperature"]
    ce = confidence.teacher_cross_entropy(teachers, label)
    kl = confidence.divergences(student, teachers, temperature=tau)
    ce_student = cross_entropy(student, label)
    l_kd = ce_student + options["alpha"] * kl.mean(axis=0)
    out = {"ce_teacher": ce, "ce_student": ce_student, "kl": kl, "l_kd": l_kd.mean()}
    out["omega_raw"] = confidence.confidence_weights(ce)
    gates = {
        "correct": multi_teacher.correct_gates(teachers, label),
        "loss": multi_teacher.loss_gates(ce, l_kd),
    }
    for gate, opened in gates.items():
        run = functools.partial(acs, gate=gate)
        gradient = jax.value_and_grad(run, argnums=(0, 1), has_aux=True)
        (total, terms), grads = jax.jit(gradient)(student, hidden)
        out[f"gate_{gate}"] = opened
        out[f"omega_{gate}"] = multi_teacher.gated_weights(ce, opened)
        out[f"mk_ce_{gate}"], out[f"total_{gate}"] = terms["mk"], total
        out[f"mk_kl_{gate}"] = run(student, hidden, mk_form="kl")[1]["mk"]
        out[f"total_klgated_{gate}"] = run(student, hidden, gate_kl=True)[0]
        out["feat"] = terms["semantic"]
        prefix = "grad_" if gate == "correct" else f"grad_total_{gate}__"
        out[f"{prefix}student"], out[f"{prefix}hidden_s"] = grads
    return out

"""The adaptive-confidence semantic loss of PSKD: several teachers, each behind a gate.

Teachers lie along a leading axis ``N``. Teachers, gates and weights are constants: no
gradient flows into or through them.
"""

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    as_float32,
    check_choice,
    check_positive,
    check_shapes,
    constant,
    divide,
)
from kdjax.losses.classification import cross_entropy, soft_cross_entropy
from kdjax.losses.confidence import (
    confidence_weights,
    divergences,
    teacher_cross_entropy,
)
from kdjax.losses.features import semantic
from kdjax.typing import Array, Float, Int

GATES = ("correct", "loss", "batch_loss", "none")
SELECTIONS = ("soft", "hard")
FORMS = ("cross_entropy", "kl")


def correct_gates(
    teachers: Float[Array, "N *B K"], label: Int[Array, "*B"]
) -> Float[Array, "N *B"]:
    """One where a teacher's first highest score is the label's, zero elsewhere.

    Args:
      teachers: logits of the teachers.
      label: class indices.

    Returns:
      A gate per teacher and example.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
      Recognition*, ACM Multimedia 2022, section 3.3 and figure 4.
    """
    check_shapes("label", label.shape, "teachers", teachers.shape[1:-1])
    return (jnp.argmax(teachers, axis=-1) == label[None]).astype(jnp.float32)


def loss_gates(
    cross_entropies: Float[Array, "N *B"], loss: Float[Array, "*B"]
) -> Float[Array, "N *B"]:
    """One where a teacher's cross-entropy does not exceed the student's loss.

    Args:
      cross_entropies: of the teachers.
      loss: the threshold, :math:`L_{KD}` in equation 4.

    Returns:
      A gate per teacher and example, without gradient.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
      Recognition*, ACM Multimedia 2022, equation 4.
    """
    check_shapes("loss", loss.shape, "cross_entropies", cross_entropies.shape[1:])
    return (constant(cross_entropies) <= constant(loss)[None]).astype(jnp.float32)


def gated_weights(
    cross_entropies: Float[Array, "N *B"],
    gates: Float[Array, "N *B"],
    *,
    select: str = "soft",
    renorm: bool = False,
) -> Float[Array, "N *B"]:
    r"""Weights of the teachers whose gate is open, zero for the others (equation 4).

    Args:
      cross_entropies: of the teachers.
      gates: 1 open, 0 closed.
      select: ``"soft"`` keeps the ``confidence_weights``, as equation 4; ``"hard"``
        follows only the open teacher of lowest cross-entropy, as the text.
      renorm: whether the open weights are divided by their sum; the equation does not.

    Returns:
      One weight per teacher and example, without gradient; all are zero where every
      gate is closed.

    Raises:
      ValueError: where the shapes disagree or the option is unknown.

    References:
      Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
      Recognition*, ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238.
    """
    check_choice("select", select, SELECTIONS)
    check_shapes("gates", gates.shape, "cross_entropies", cross_entropies.shape)
    values, gates = constant(cross_entropies), constant(gates)
    if select == "hard":
        best = jnp.argmin(jnp.where(gates > 0, values, jnp.inf), axis=0)
        weights = jax.nn.one_hot(best, values.shape[0], axis=0, dtype=jnp.float32)
    else:
        weights = confidence_weights(values)
    weights = gates * weights
    if renorm:
        total = jnp.sum(weights, axis=0, keepdims=True)
        weights = divide(weights, jnp.broadcast_to(total, weights.shape))
    return weights


def acs(
    student: Float[Array, "*B K"],
    teachers: Float[Array, "N *B K"],
    label: Int[Array, "*B"],
    hidden: Float[Array, "*B D"],
    hidden_teachers: Float[Array, "N *B D"],
    *,
    temperature: float = 4.0,
    mk_temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float | None = None,
    gate: str = "correct",
    select: str = "soft",
    mk_form: str = "cross_entropy",
    kd_t2: bool = True,
    gate_kl: bool = False,
    renorm: bool = False,
    target: Float[Array, "*B K"] | None = None,
    mask: Float[Array, "*B"] | None = None,
) -> tuple[Float[Array, "*B"], dict[str, Float[Array, "*B"]]]:
    r"""Adaptive-confidence semantic loss of PSKD (equation 7).

    .. math::
      L &= L_{KD} + \beta L_{MK} + \gamma L_S, \qquad
      L_{KD} = CE(z_S, y) + \frac{\alpha}{N} \sum_n \tau^2
      KL(\sigma(z_n / \tau) \,\|\, \sigma(z_S / \tau)) \\
      L_{MK} &= -\sum_n \omega_n \tau_{mk}^2 \sum_c \sigma(z_n / \tau_{mk})_c
      \log \sigma(z_S / \tau_{mk})_c, \qquad
      L_S = \frac{1}{N} \sum_n \| H_S - H_n \|_2^2

    The paper contradicts itself; each reading is an option, the default first.

    Args:
      student: logits.
      teachers: logits of the :math:`N` teachers.
      label: class indices.
      hidden: :math:`H_S`, the student's vector before its last layer.
      hidden_teachers: :math:`H_n`, of the same width.
      temperature: :math:`\tau > 0`.
      mk_temperature: :math:`\tau_{mk} > 0`; 1 reads equation 5 without softening.
      alpha: weight of the softened KL.
      beta: weight of the confidence-aware term.
      gamma: weight of the semantic term, ``None`` for one over the width.
      gate: opens for a teacher that is right (``"correct"``, the text), whose
        cross-entropy does not exceed the student's :math:`L_{KD}` of the example
        (``"loss"``, equation 4) or its mean over the batch (``"batch_loss"``, which
        couples the examples of the device's shard), or always (``"none"``).
      select: see ``gated_weights``.
      mk_form: ``"cross_entropy"``, or ``"kl"``, of equal gradient and zero at its best.
      kd_t2: whether :math:`\tau^2`, which equation 2 lacks, is in :math:`L_{KD}`.
      gate_kl: whether the gate closes a teacher's KL in the total too, as the text
        demands ("follow the ground truth") and equation 7 does not.
      renorm: see ``gated_weights``.
      target: distribution that takes the label's place in the student's
        :math:`CE(z_S, y)`, such as mixup or label smoothing makes.
      mask: 1 for a real example, 0 for padding; read by ``gate="batch_loss"`` alone.

    Returns:
      The total per example, and by name every unweighted term of it: the total is
      ``ce + alpha * kl + beta * mk + gamma * semantic``.

    Raises:
      ValueError: where shapes disagree, a temperature is not positive or an option is
        unknown.

    References:
      Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
      Recognition*, ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238.
    """
    check_choice("gate", gate, GATES)
    shape = (len(teachers), *hidden.shape)
    check_shapes("hidden_teachers", hidden_teachers.shape, "hidden", shape)
    teachers, hidden_teachers = constant(teachers), constant(hidden_teachers)
    if target is None:
        ce = cross_entropy(student, label)
    else:
        ce = soft_cross_entropy(student, target)
    kl = divergences(student, teachers, temperature=temperature, kd_t2=kd_t2)
    ce_teachers = teacher_cross_entropy(teachers, label)
    if gate == "correct":
        gates = correct_gates(teachers, label)
    elif gate == "none":
        gates = jnp.ones_like(ce_teachers)
    else:
        l_kd = ce + alpha * jnp.mean(kl, axis=0)
        gates = loss_gates(ce_teachers, l_kd if gate == "loss" else _mean(l_kd, mask))
    omega = gated_weights(ce_teachers, gates, select=select, renorm=renorm)
    mimic = _mimic(student, teachers, mk_temperature, mk_form)
    distances = jax.vmap(semantic, in_axes=(None, 0))(hidden, hidden_teachers)
    terms = {
        "ce": ce,
        "kl": jnp.mean(gates * kl if gate_kl else kl, axis=0),
        "mk": jnp.sum(omega * mimic, axis=0),
        "semantic": jnp.mean(distances, axis=0),
    }
    gamma = 1.0 / hidden.shape[-1] if gamma is None else gamma
    total = ce + alpha * terms["kl"] + beta * terms["mk"] + gamma * terms["semantic"]
    return total, terms


def _mimic(
    student: Float[Array, "*B K"],
    teachers: Float[Array, "N *B K"],
    temperature: float,
    form: str,
) -> Float[Array, "N *B"]:
    """What equation 5 sums: softened cross-entropy or KL, times tau squared."""
    check_choice("mk_form", form, FORMS)
    check_positive("mk_temperature", temperature)
    if form == "kl":
        return divergences(student, teachers, temperature=temperature)
    (student,) = as_float32(student)

    def one(teacher):
        target = jax.nn.softmax(teacher / temperature)
        return soft_cross_entropy(student / temperature, target)

    return temperature**2 * jax.vmap(one)(teachers)


def _mean(
    values: Float[Array, "*B"], mask: Float[Array, "*B"] | None
) -> Float[Array, "*B"]:
    """The mean over the real examples, in the place of every example."""
    weight = jnp.ones_like(values) if mask is None else constant(mask)
    average = divide(jnp.sum(weight * values), jnp.sum(weight))
    return jnp.broadcast_to(average, values.shape)

"""Distillation losses between the logits of two networks."""

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    KINDS,
    as_float32,
    check_choice,
    check_positive,
    check_shapes,
    constant,
    log_probabilities,
    masked_mean,
)
from kdjax.typing import Array, Float, Int


def kd_kl(
    student: Float[Array, "*B K"],
    teacher: Float[Array, "*B K"],
    *,
    temperature: float,
    kd_t2: bool = True,
    kind: str = "softmax",
) -> Float[Array, "*B"]:
    r"""KL divergence of the student from the softened teacher.

    .. math:: \tau^2 \, KL(\sigma(z_T / \tau) \,\|\, \sigma(z_S / \tau))

    Args:
      student: logits.
      teacher: logits; no gradient flows into them.
      temperature: :math:`\tau > 0`.
      kd_t2: whether the factor :math:`\tau^2` is there; it keeps the gradient's scale
        independent of the temperature.
      kind: :math:`\sigma` is the ``softmax`` over classes; or ``sigmoid``, where every
        class is a decision of its own and their divergences are added up.

    Returns:
      One value per example, non-negative up to rounding, zero where both agree.

    Raises:
      ValueError: where the shapes disagree, the temperature is not positive or the kind
        is unknown.

    References:
      Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network*, 2015,
      arXiv:1503.02531.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    check_positive("temperature", temperature)
    check_choice("kind", kind, KINDS)
    (student,) = as_float32(student)
    log_p = log_probabilities(constant(teacher) / temperature, kind=kind)
    log_q = log_probabilities(student / temperature, kind=kind)
    divergence = jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)
    return temperature**2 * divergence if kd_t2 else divergence


def frame_kl(
    student: Float[Array, "*B T K"],
    teacher: Float[Array, "*B T K"],
    *,
    temperature: float = 4.0,
    kd_t2: bool = True,
    kind: str = "softmax",
    mask: Float[Array, "*B T"] | None = None,
) -> Float[Array, "*B"]:
    r"""KL divergence of the student from the softened teacher, frame by frame (eq. 8).

    .. math:: \frac{\tau^2}{T} \sum_t KL(p_t^T \,\|\, p_t^S), \qquad
      p_t = \sigma(z_t / \tau)

    Args:
      student: logits of every frame.
      teacher: the same; no gradient flows into them.
      temperature: :math:`\tau > 0`; the paper states none.
      kd_t2: whether the factor :math:`\tau^2` is there.
      kind: ``softmax``, as the equation has it, or ``sigmoid``, see `kd_kl`.
      mask: 1 for a real frame, 0 for padding, which does not count in :math:`T`.

    Returns:
      One value per example; zero where all frames are padding.

    Raises:
      ValueError: where the shapes disagree, the temperature is not positive or the kind
        is unknown.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation
      for Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870.
    """
    each = kd_kl(student, teacher, temperature=temperature, kd_t2=kd_t2, kind=kind)
    return masked_mean(each, mask)


def guided_kl(
    student: Float[Array, "*B K"],
    teacher: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    temperature: float = 1.0,
    decay: float | Float[Array, ""] = 1.0,
) -> Float[Array, "*B"]:
    r"""Softened divergence that counts double where the teacher is right.

    .. math:: \tau^2 \sum_c m p_c (\log(m p_c) - m \log q_c), \qquad
      m = (1 + [y = \arg\max_c z_{T,c}]) \, d

    with :math:`p = \sigma(z_T / \tau)` and :math:`q = \sigma(z_S / \tau)`. The public
    code multiplies the logarithms by the mask as well; the value may therefore be
    negative and is no divergence.

    Args:
      student: logits.
      teacher: logits; no gradient flows into them.
      label: the true classes.
      temperature: :math:`\tau > 0`.
      decay: :math:`d > 0`, which the original lowers over the epochs.

    Returns:
      One value per example.

    Raises:
      ValueError: where the shapes disagree or the temperature is not positive.

    References:
      Liu, Wang, Zhang and others, *Channel-Correlation-Based Selective Knowledge
      Distillation*, TCDS 2022; https://github.com/gjplab/CCSKD, ``losses/kd_loss.py``.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    check_shapes("label", label.shape, "student", student.shape[:-1])
    check_positive("temperature", temperature)
    (student,), teacher = as_float32(student), constant(teacher)
    right = jnp.argmax(teacher, axis=-1) == label
    mask = (decay * (1.0 + right.astype(jnp.float32)))[..., None]
    log_p = jax.nn.log_softmax(teacher / temperature)
    log_q = jax.nn.log_softmax(student / temperature)
    gap = jnp.log(mask) + log_p - mask * log_q
    return temperature**2 * jnp.sum(mask * jnp.exp(log_p) * gap, axis=-1)


def logit_regression(
    student: Float[Array, "*B K"], teacher: Float[Array, "*B K"]
) -> Float[Array, "*B"]:
    r"""Mean squared difference of logits, before any softmax.

    .. math:: \frac{1}{K} \sum_c (z_{S,c} - z_{T,c})^2

    Args:
      student: logits.
      teacher: logits; no gradient flows into them.

    Returns:
      One value per example.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Ba and Caruana, *Do Deep Nets Really Need to be Deep?*, NeurIPS 2014,
      arXiv:1312.6184. The paper halves the square and sums over classes.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    (student,) = as_float32(student)
    return jnp.mean(jnp.square(student - constant(teacher)), axis=-1)

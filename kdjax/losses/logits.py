"""Distillation losses between the logits of two networks."""

import jax
import jax.numpy as jnp

from kdjax.losses._common import as_float32, check_positive, check_shapes, constant
from kdjax.typing import Array, Float


def kd_kl(
    student: Float[Array, "*B K"],
    teacher: Float[Array, "*B K"],
    *,
    temperature: float,
    kd_t2: bool = True,
) -> Float[Array, "*B"]:
    r"""KL divergence of the student from the softened teacher.

    .. math:: \tau^2 \, KL(\sigma(z_T / \tau) \,\|\, \sigma(z_S / \tau))

    Args:
      student: logits.
      teacher: logits; no gradient flows into them.
      temperature: :math:`\tau > 0`.
      kd_t2: whether the factor :math:`\tau^2` is there; it keeps the gradient's scale
        independent of the temperature.

    Returns:
      One value per example, non-negative up to rounding, zero where both agree.

    Raises:
      ValueError: where the shapes disagree or the temperature is not positive.

    References:
      Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network*, 2015,
      arXiv:1503.02531.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    check_positive("temperature", temperature)
    (student,) = as_float32(student)
    log_p = jax.nn.log_softmax(constant(teacher) / temperature)
    log_q = jax.nn.log_softmax(student / temperature)
    divergence = jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)
    return temperature**2 * divergence if kd_t2 else divergence


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

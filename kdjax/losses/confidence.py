"""Teachers weighted by how well each knows the label: CA-MKD.

Teachers lie along a leading axis ``N``. Teachers and weights are constants: no gradient
flows into or through them.
"""

import jax
import jax.numpy as jnp

from kdjax.losses._common import check_shapes, constant
from kdjax.losses.classification import cross_entropy
from kdjax.losses.features import hint
from kdjax.losses.logits import kd_kl
from kdjax.typing import Array, Float, Int


def teacher_cross_entropy(
    teachers: Float[Array, "N *B K"], label: Int[Array, "*B"]
) -> Float[Array, "N *B"]:
    r"""Cross-entropy of every teacher at temperature one (equation 3 of PSKD).

    .. math:: CE_n = -\log \sigma(z_n)_y

    Args:
      teachers: logits of the :math:`N` teachers.
      label: class indices.

    Returns:
      One value per teacher and example, without gradient.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
      Recognition*, ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238.
    """
    check_shapes("label", label.shape, "teachers", teachers.shape[1:-1])
    return jax.vmap(cross_entropy, in_axes=(0, None))(constant(teachers), label)


def divergences(
    student: Float[Array, "*B K"],
    teachers: Float[Array, "N *B K"],
    *,
    temperature: float,
    kd_t2: bool = True,
) -> Float[Array, "N *B"]:
    r"""Softened KL divergence of the student from every teacher.

    .. math:: \tau^2 \, KL(\sigma(z_n / \tau) \,\|\, \sigma(z_S / \tau))

    Args:
      student: logits.
      teachers: logits of the :math:`N` teachers; no gradient flows into them.
      temperature: :math:`\tau > 0`.
      kd_t2: whether the factor :math:`\tau^2` is there.

    Returns:
      One value per teacher and example.

    Raises:
      ValueError: where the shapes disagree or the temperature is not positive.

    References:
      Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network*, 2015,
      arXiv:1503.02531.
    """

    def one(teacher):
        return kd_kl(student, teacher, temperature=temperature, kd_t2=kd_t2)

    return jax.vmap(one)(teachers)


def confidence_weights(cross_entropies: Float[Array, "N *B"]) -> Float[Array, "N *B"]:
    r"""Weights that fall with a teacher's cross-entropy and sum to one.

    .. math:: \omega_n = \frac{1}{N - 1} \left(1 -
      \frac{\exp CE_n}{\sum_j \exp CE_j}\right)

    A single teacher has weight one, where the formula divides by zero.

    Args:
      cross_entropies: of the :math:`N` teachers.

    Returns:
      One weight per teacher and example, without gradient. Equation 4 of PSKD prints
      a minus before it, which would push the student away; its source has none.

    References:
      Zhang, Chen and Wang, *Confidence-Aware Multi-Teacher Knowledge Distillation*,
      ICASSP 2022, arXiv:2201.00007.
    """
    number = cross_entropies.shape[0]
    values = constant(cross_entropies)
    if number == 1:
        return jnp.ones_like(values)
    return (1.0 - jax.nn.softmax(values, axis=0)) / (number - 1)


def confidence_kd(
    student: Float[Array, "*B K"],
    teachers: Float[Array, "N *B K"],
    label: Int[Array, "*B"],
    *,
    temperature: float,
) -> Float[Array, "*B"]:
    r"""Distillation from teachers weighted by confidence, as in CA-MKD.

    .. math:: \frac{1}{N} \sum_n \omega_n \tau^2
      KL(\sigma(z_n / \tau) \,\|\, \sigma(z_S / \tau))

    Args:
      student: logits.
      teachers: logits of the :math:`N` teachers.
      label: class indices.
      temperature: :math:`\tau > 0`.

    Returns:
      One value per example. The factor :math:`1 / N` is that of the public code; the
      weights sum to one without it.

    Raises:
      ValueError: where the shapes disagree or the temperature is not positive.

    References:
      Zhang, Chen and Wang, *Confidence-Aware Multi-Teacher Knowledge Distillation*,
      ICASSP 2022, arXiv:2201.00007.
    """
    omega = confidence_weights(teacher_cross_entropy(teachers, label))
    values = divergences(student, teachers, temperature=temperature)
    return jnp.mean(omega * values, axis=0)


def confidence_hint(
    students: Float[Array, "N B ..."],
    teachers: Float[Array, "N B ..."],
    omega: Float[Array, "N B"],
) -> Float[Array, "B"]:
    r"""Feature regression weighted by confidence, as in CA-MKD.

    .. math:: \frac{1}{N} \sum_n \omega_n \frac{1}{m} \| F_{S,n} - F_n \|_2^2

    Args:
      students: the student's map as regressed for each of the :math:`N` teachers.
      teachers: maps of the same shape; no gradient flows into them.
      omega: weights of the teachers, constants.

    Returns:
      One value per example, the mean over the teachers and the :math:`m` entries.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Zhang, Chen and Wang, *Confidence-Aware Multi-Teacher Knowledge Distillation*,
      ICASSP 2022, arXiv:2201.00007.
    """
    check_shapes("omega", omega.shape, "students", students.shape[:2])
    return jnp.mean(constant(omega) * hint(students, teachers, batch_ndim=2), axis=0)

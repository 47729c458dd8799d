"""Distillation of the target class and of all others, each by itself."""

import jax
import jax.numpy as jnp

from kdjax.losses._common import as_float32, check_positive, check_shapes, constant
from kdjax.typing import Array, Float, Int


def decoupled_terms(
    student: Float[Array, "*B K"],
    teacher: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    temperature: float = 4.0,
    kd_t2: bool = True,
) -> tuple[Float[Array, "*B"], Float[Array, "*B"]]:
    r"""The two parts of softened KL divergence, with :math:`p = \sigma(z / \tau)`.

    .. math::
       TCKD = \tau^2 \, KL([p^T_m, 1 - p^T_m] \,\|\, [p^S_m, 1 - p^S_m]), \qquad
       NCKD = \tau^2 \, KL(\hat p^T \,\|\, \hat p^S)

    where :math:`m` is the label and :math:`\hat p` the distribution over the other
    classes. Together they are the divergence itself:
    :math:`KD = TCKD + (1 - p^T_m) \, NCKD`.

    Everything is computed from :math:`\log p_m = z_m - LSE(z)` and
    :math:`\log(1 - p_m) = LSE_{c \ne m}(z) - LSE(z)`, which are finite where the public
    code takes the logarithm of a probability that has been rounded to zero.

    Args:
      student: logits.
      teacher: logits; no gradient flows into them.
      label: the target classes.
      temperature: :math:`\tau > 0`; the paper of RGB to infrared states none.
      kd_t2: whether the factor :math:`\tau^2` is there.

    Returns:
      TCKD and NCKD, one value of each per example.

    Raises:
      ValueError: where the shapes disagree, the temperature is not positive, or there
        are two classes, which leave one other class and nothing to distil from it.

    References:
      Zhao, Cui, Song, Qiu and Liang, *Decoupled Knowledge Distillation*, CVPR 2022,
      arXiv:2203.08679.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    check_shapes("label", label.shape, "student", student.shape[:-1])
    check_positive("temperature", temperature)
    classes = student.shape[-1]
    if classes < 3:
        raise ValueError(f"decoupled distillation needs 3 classes, not {classes}")
    (student,), teacher = as_float32(student), constant(teacher)
    target = jax.nn.one_hot(label, classes, dtype=bool)
    hit_t, miss_t, others_t = _split(teacher / temperature, target)
    hit_s, miss_s, others_s = _split(student / temperature, target)
    tckd = jnp.exp(hit_t) * (hit_t - hit_s) + jnp.exp(miss_t) * (miss_t - miss_s)
    gap = jnp.where(target, 0.0, others_t - others_s)
    nckd = jnp.sum(jnp.exp(others_t) * gap, axis=-1)
    scale = temperature**2 if kd_t2 else 1.0
    return scale * tckd, scale * nckd


def _split(
    z: Float[Array, "*B K"], target: Array
) -> tuple[Float[Array, "*B"], Float[Array, "*B"], Float[Array, "*B K"]]:
    """Logarithms: of the target's probability, of the rest, of the others within it."""
    whole = jax.nn.logsumexp(z, axis=-1)
    # Not minus infinity: the difference of two such would not be a number.
    others = jnp.where(target, LEAST, z)
    rest = jax.nn.logsumexp(others, axis=-1)
    hit = jnp.sum(jnp.where(target, z, 0.0), axis=-1) - whole
    return hit, rest - whole, others - rest[..., None]


LEAST = -1e30
"""Stands for minus infinity; its exponential is zero."""


def decoupled(
    student: Float[Array, "*B K"],
    teacher: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    temperature: float = 4.0,
    kd_t2: bool = True,
    target_weight: float = 0.7,
    others_weight: float = 0.35,
) -> Float[Array, "*B"]:
    r"""Decoupled distillation, :math:`\alpha_T \, TCKD + \alpha_N \, NCKD`.

    Args:
      student: logits.
      teacher: logits; no gradient flows into them.
      label: the target classes.
      temperature: see `decoupled_terms`.
      kd_t2: see `decoupled_terms`.
      target_weight: :math:`\alpha_T`; 1 in the original, 0.7 from RGB to infrared.
      others_weight: :math:`\alpha_N`; 8 in the original, 0.35 from RGB to infrared.

    Returns:
      One value per example.

    Raises:
      ValueError: as `decoupled_terms`.

    References:
      Zhao, Cui, Song, Qiu and Liang, *Decoupled Knowledge Distillation*, CVPR 2022,
      arXiv:2203.08679.
    """
    tckd, nckd = decoupled_terms(
        student, teacher, label, temperature=temperature, kd_t2=kd_t2
    )
    return target_weight * tckd + others_weight * nckd

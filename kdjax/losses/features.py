"""Distillation losses between feature vectors and feature maps."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    adaptive_mean,
    as_float32,
    check_choice,
    check_shapes,
    constant,
    l2_normalise,
    masked_mean,
    tame,
)
from kdjax.typing import Array, Float

REDUCTIONS = ("sum", "mean")
FORMS = ("squared", "sigmoid")


def hint(
    student: Float[Array, "..."], teacher: Float[Array, "..."], *, batch_ndim: int = 1
) -> Float[Array, "*B"]:
    r"""Mean squared difference of a regressed student map and the teacher's map.

    .. math:: \frac{1}{n} \| r(F_S) - F_T \|_2^2

    Args:
      student: ``[*B ...]``, the student's map after its regressor :math:`r`.
      teacher: the same shape; no gradient flows into it.
      batch_ndim: number of leading axes ``*B`` that are kept.

    Returns:
      One value per example, the mean over its :math:`n` entries.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Romero, Ballas, Kahou, Chassang, Gatta and Bengio, *FitNets: Hints for Thin Deep
      Nets*, ICLR 2015, arXiv:1412.6550.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    (student,) = as_float32(student)
    squares = jnp.square(student - constant(teacher))
    return jnp.mean(squares, axis=tuple(range(batch_ndim, squares.ndim)))


def semantic(
    student: Float[Array, "*B D"], teacher: Float[Array, "*B D"]
) -> Float[Array, "*B"]:
    r"""Squared distance of the hidden vectors before the last layer (equation 6).

    .. math:: \| H^S - H^T \|_2^2

    Args:
      student: :math:`H^S`.
      teacher: :math:`H^T`; no gradient flows into it.

    Returns:
      One value per example, summed over the features.

    Raises:
      ValueError: where the shapes disagree.

    References:
      Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
      Recognition*, ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    (student,) = as_float32(student)
    return jnp.sum(jnp.square(student - constant(teacher)), axis=-1)


def feature_distillation(
    students: Sequence[Float[Array, "*B T _"]],
    teachers: Sequence[Float[Array, "*B T _"]],
    *,
    reduction: str = "sum",
    mask: Float[Array, "*B T"] | None = None,
) -> Float[Array, "*B"]:
    r"""Squared distance of several features of every frame, added up (equation 7).

    .. math:: \frac{1}{T} \sum_t \sum_f \| F_{f,t}^T - F_{f,t}^S \|_2^2

    In the paper the features are two: what attention drew from the sound, and the
    audio-visual features.

    Args:
      students: the student's features.
      teachers: as many of the teacher; no gradient flows into them.
      reduction: over the features' width D, ``sum`` as the equation has it, or
        ``mean``, which is D times smaller.
      mask: 1 for a real frame, 0 for padding, which does not count in :math:`T`.

    Returns:
      One value per example; zero where all frames are padding.

    Raises:
      ValueError: where numbers of features or shapes disagree, or the reduction is
        unknown.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation
      for Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    if not students or len(students) != len(teachers):
        raise ValueError(
            f"{len(students)} features of the student stand against "
            f"{len(teachers)} of the teacher"
        )
    each = sum(
        semantic(s, t) / (s.shape[-1] if reduction == "mean" else 1)
        for s, t in zip(students, teachers)
    )
    return masked_mean(each, mask)


def hallucination(
    student: Float[Array, "*B T D"],
    teacher: Float[Array, "*B T D"],
    *,
    form: str = "squared",
    reduction: str = "sum",
    mask: Float[Array, "*B T"] | None = None,
) -> Float[Array, "*B"]:
    r"""Distance of features made up by the student from those of what it cannot sense.

    .. math:: \frac{1}{T} \sum_t \| g(F_t^S) - g(F_t^T) \|_2^2

    Args:
      student: made up from the modality that the student has.
      teacher: of the missing modality; no gradient flows into them.
      form: :math:`g` is the identity, ``squared``, or the logistic function,
        ``sigmoid``, as in the original, which sums over the batch where this averages
        over frames.
      reduction: over the features' width, see `feature_distillation`.
      mask: 1 for a real frame, 0 for padding.

    Returns:
      One value per example.

    Raises:
      ValueError: where the shapes disagree or the form is unknown.

    References:
      Garcia, Morerio and Murino, *Modality Distillation with Multiple Stream Networks
      for Action Recognition*, ECCV 2018, arXiv:1806.07110.
    """
    check_choice("form", form, FORMS)
    student, teacher = as_float32(student, teacher)
    if form == "sigmoid":
        student, teacher = jax.nn.sigmoid(student), jax.nn.sigmoid(teacher)
    return feature_distillation((student,), (teacher,), reduction=reduction, mask=mask)


def attention_map(
    features: Float[Array, "..."], *, exponent: int = 2, batch_ndim: int = 1
) -> Float[Array, "*B P"]:
    r"""Where a map is active: channels averaged, positions flattened, unit length.

    .. math:: a = \frac{q}{\max(\|q\|_2, 10^{-12})},
      \quad q_i = \frac{1}{C} \sum_c |f_{i,c}|^p

    Args:
      features: ``[*B spatial... C]`` with any number of spatial axes.
      exponent: :math:`p \ge 1`.
      batch_ndim: number of leading axes ``*B``.

    Returns:
      One row of positions per example; a map of zeros gives zeros.

    Raises:
      ValueError: where no spatial axis is left or the exponent is below one.

    References:
      Zagoruyko and Komodakis, *Paying More Attention to Attention*, ICLR 2017,
      arXiv:1612.03928.
    """
    if exponent < 1:
        raise ValueError(f"exponent must be at least 1, not {exponent}")
    if features.ndim < batch_ndim + 2:
        raise ValueError(
            f"features of shape {features.shape} have no spatial axis between "
            f"{batch_ndim} batch axes and the channels"
        )
    (features,) = as_float32(features)
    rows = tame(features.reshape(*features.shape[:batch_ndim], -1))
    energy = jnp.mean(jnp.abs(rows.reshape(features.shape)) ** exponent, axis=-1)
    return l2_normalise(energy.reshape(*features.shape[:batch_ndim], -1))


def attention_transfer(
    student: Float[Array, "..."],
    teacher: Float[Array, "..."],
    *,
    exponent: int = 2,
    batch_ndim: int = 1,
) -> Float[Array, "*B"]:
    r"""Mean squared difference of two attention maps of one stage.

    .. math:: \frac{1}{P} \| a(F_S) - a(F_T) \|_2^2

    Along each spatial axis the longer map is average-pooled to the shorter one first,
    with the windows of PyTorch's adaptive pooling; the channels may differ.

    Args:
      student: ``[*B spatial... C]`` with any number of spatial axes.
      teacher: the same number of axes; no gradient flows into it.
      exponent: of the activations, at least 1.
      batch_ndim: number of leading axes ``*B``.

    Returns:
      One value per example, the mean over the :math:`P` positions.

    Raises:
      ValueError: where the batch axes or the number of axes disagree.

    References:
      Zagoruyko and Komodakis, *Paying More Attention to Attention*, ICLR 2017,
      arXiv:1612.03928. The paper sums where its code, and this function, averages.
    """
    if student.ndim != teacher.ndim:
        raise ValueError(
            f"student {student.shape} and teacher {teacher.shape} differ in their axes"
        )
    batch = student.shape[:batch_ndim]
    check_shapes("teacher's batch", teacher.shape[:batch_ndim], "student", batch)
    (student,), teacher = as_float32(student), constant(teacher)
    for axis in range(batch_ndim, student.ndim - 1):
        size = min(student.shape[axis], teacher.shape[axis])
        student = adaptive_mean(student, axis, size)
        teacher = adaptive_mean(teacher, axis, size)
    maps = (
        attention_map(f, exponent=exponent, batch_ndim=batch_ndim)
        for f in (student, teacher)
    )
    ours, theirs = maps
    return jnp.mean(jnp.square(ours - theirs), axis=-1)


def attention_transfer_stages(
    students: Sequence[Float[Array, "..."]],
    teachers: Sequence[Float[Array, "..."]],
    *,
    exponent: int = 2,
    batch_ndim: int = 1,
) -> Float[Array, "*B"]:
    """Attention transfer summed over stages.

    Args:
      students: maps of the student, first to last.
      teachers: as many maps of the teacher; no gradient flows into them.
      exponent: of the activations, at least 1.
      batch_ndim: number of leading axes ``*B`` of every map.

    Returns:
      One value per example.

    Raises:
      ValueError: where the numbers of stages differ or are zero.

    References:
      Zagoruyko and Komodakis, *Paying More Attention to Attention*, ICLR 2017,
      arXiv:1612.03928.
    """
    if not students or len(students) != len(teachers):
        raise ValueError(
            f"{len(students)} stages of the student stand against "
            f"{len(teachers)} of the teacher"
        )
    return sum(
        attention_transfer(s, t, exponent=exponent, batch_ndim=batch_ndim)
        for s, t in zip(students, teachers)
    )

"""Losses between the relations that two networks see among the examples of a batch.

They couple the examples: the result is one number, not one per example. Under ``jit``
over a mesh they see the global batch, under ``pmap`` and ``shard_map`` the device's
shard. Views or students are mapped over with ``jax.vmap``. Rows with ``mask`` zero are
left out of every relation and of every mean.
"""

import math

import jax.numpy as jnp
import optax

from kdjax.losses._common import (
    EXACT,
    as_float32,
    check_choice,
    check_shapes,
    constant,
    divide,
    l2_normalise,
    tame,
)
from kdjax.typing import Array, Float


def distance_matrix(features: Float[Array, "B D"]) -> Float[Array, "B B"]:
    r"""Euclidean distances among rows, at least 1e-6 between two of them.

    .. math:: d_{ij} = \sqrt{\max(\|x_i - x_j\|^2, 10^{-12})}, \quad d_{ii} = 0

    Args:
      features: one row per example.

    Returns:
      A symmetric matrix; its gradient is zero between equal rows.

    References:
      Park, Kim, Lu and Cho, *Relational Knowledge Distillation*, CVPR 2019,
      arXiv:1904.05068.
    """
    (x,) = as_float32(features)
    # Differences first: the Gram form loses all digits where rows lie close together.
    squares = jnp.sum(jnp.square(x[:, None] - x[None]), axis=-1)
    other = 1.0 - jnp.eye(len(x), dtype=jnp.float32)
    return jnp.sqrt(jnp.maximum(squares, 1e-12)) * other


def rkd_distance(
    student: Float[Array, "B D"],
    teacher: Float[Array, "B E"],
    *,
    mean: str = "positive",
    mask: Float[Array, "B"] | None = None,
) -> Float[Array, ""]:
    r"""Smooth-L1 difference of the distances, each divided by its network's mean.

    .. math:: \frac{1}{B^2} \sum_{ij} \ell_1\left(\frac{d^S_{ij}}{\mu_S},
      \frac{d^T_{ij}}{\mu_T}\right)

    Args:
      student: one row per example.
      teacher: one row per example; no gradient flows into it.
      mean: :math:`\mu` over the distances above zero, which are those of distinct rows
        (``"positive"``, as the paper and its code), or over ``"all"`` entries.
      mask: 1 for a real row, 0 for padding.

    Returns:
      One value for the batch, zero for a single row.

    Raises:
      ValueError: where the batches differ or the option is unknown.

    References:
      Park, Kim, Lu and Cho, *Relational Knowledge Distillation*, CVPR 2019,
      arXiv:1904.05068.
    """
    check_choice("mean", mean, ("positive", "all"))
    row = _row_weights(student, teacher, mask)
    pair = row[:, None] * row[None]
    scaled = []
    for features in (*as_float32(student), constant(teacher)):
        rows = tame(features.reshape(-1)).reshape(features.shape)
        distance = distance_matrix(rows) * pair
        counted = jnp.where(distance > 0, pair, 0.0) if mean == "positive" else pair
        average = divide(jnp.sum(distance), jnp.sum(counted))
        scaled.append(divide(distance, jnp.broadcast_to(average, distance.shape)))
    return divide(jnp.sum(pair * optax.huber_loss(*scaled)), jnp.sum(pair))


def rkd_angle(
    student: Float[Array, "B D"],
    teacher: Float[Array, "B E"],
    *,
    mask: Float[Array, "B"] | None = None,
) -> Float[Array, ""]:
    r"""Smooth-L1 difference of the cosines of the angles that three examples make.

    .. math:: \frac{1}{B^3} \sum_{ijk} \ell_1(\cos^S_{jik}, \cos^T_{jik}), \quad
      \cos_{jik} = \langle e_{ij}, e_{ik} \rangle, \quad
      e_{ij} = \frac{x_j - x_i}{\max(\|x_j - x_i\|, 10^{-12})}, \quad e_{ii} = 0

    Args:
      student: one row per example.
      teacher: one row per example; no gradient flows into it.
      mask: 1 for a real row, 0 for padding.

    Returns:
      One value for the batch; memory grows as :math:`B^2 (B + D)`.

    Raises:
      ValueError: where the batches differ.

    References:
      Park, Kim, Lu and Cho, *Relational Knowledge Distillation*, CVPR 2019,
      arXiv:1904.05068.
    """
    row = _row_weights(student, teacher, mask)
    # A row less itself is zero by word: a compiler that computes either side anew leaves
    # a rounding error, of which the norm would make a direction.
    other = (1.0 - jnp.eye(len(row), dtype=jnp.float32))[..., None]
    cosines = []
    for features in (*as_float32(student), constant(teacher)):
        edges = l2_normalise(other * (features[None] - features[:, None]))
        cosines.append(jnp.einsum("ijd,ikd->ijk", edges, edges, precision=EXACT))
    losses = optax.huber_loss(*cosines)
    total = jnp.einsum("ijk,i,j,k->", losses, row, row, row, precision=EXACT)
    return divide(total, jnp.sum(row) ** 3)


def rkd(
    student: Float[Array, "B D"],
    teacher: Float[Array, "B E"],
    *,
    distance_weight: float = 25.0,
    angle_weight: float = 50.0,
    mean: str = "positive",
    mask: Float[Array, "B"] | None = None,
) -> Float[Array, ""]:
    """Weighted sum of the distance and the angle loss.

    Args:
      student: one row per example.
      teacher: one row per example; no gradient flows into it.
      distance_weight: factor of ``rkd_distance``.
      angle_weight: factor of ``rkd_angle``.
      mean: see ``rkd_distance``.
      mask: 1 for a real row, 0 for padding.

    Returns:
      One value for the batch.

    Raises:
      ValueError: where the batches differ or the option is unknown.

    References:
      Park, Kim, Lu and Cho, *Relational Knowledge Distillation*, CVPR 2019,
      arXiv:1904.05068. The weights are those of its public code.
    """
    distance = rkd_distance(student, teacher, mean=mean, mask=mask)
    angle = rkd_angle(student, teacher, mask=mask)
    return distance_weight * distance + angle_weight * angle


def similarity_matrix(
    features: Float[Array, "B ..."], *, mask: Float[Array, "B"] | None = None
) -> Float[Array, "B B"]:
    r"""Inner products of flattened maps, each row of the matrix of unit length.

    .. math:: \tilde G_i = \frac{(F F^\top)_i}{\max(\|(F F^\top)_i\|_2, 10^{-12})}

    Args:
      features: ``[B ...]``, flattened to one row per example.
      mask: 1 for a real row, 0 for padding, which becomes a row and column of zeros.

    Returns:
      A matrix that is not symmetric, for its rows are scaled one by one.

    References:
      Tung and Mori, *Similarity-Preserving Knowledge Distillation*, ICCV 2019,
      arXiv:1907.09682.
    """
    (rows,) = as_float32(features.reshape(len(features), -1))
    if mask is not None:
        rows = rows * mask[:, None].astype(jnp.float32)
    rows = tame(rows.reshape(-1)).reshape(rows.shape)
    return l2_normalise(jnp.einsum("id,jd->ij", rows, rows, precision=EXACT))


def similarity_preserving(
    student: Float[Array, "B ..."],
    teacher: Float[Array, "B ..."],
    *,
    mask: Float[Array, "B"] | None = None,
) -> Float[Array, ""]:
    r"""Squared difference of the similarities among the examples of a batch.

    .. math:: \frac{1}{B^2} \| \tilde G_T - \tilde G_S \|_F^2

    Args:
      student: ``[B ...]``, a map or vector per example.
      teacher: ``[B ...]``, of any other shape; no gradient flows into it.
      mask: 1 for a real row, 0 for padding.

    Returns:
      One value for the batch, zero where it has fewer than two real rows.

    Raises:
      ValueError: where the batches differ.

    References:
      Tung and Mori, *Similarity-Preserving Knowledge Distillation*, ICCV 2019,
      arXiv:1907.09682.
    """
    row = _row_weights(student, teacher, mask)
    ours = similarity_matrix(student, mask=mask)
    theirs = similarity_matrix(constant(teacher), mask=mask)
    count = jnp.sum(row)
    value = divide(jnp.sum(jnp.square(theirs - ours)), count**2)
    # One row is compared with itself alone; all that could be left there is rounding.
    return jnp.where(count > 1, value, 0.0)


def correlation_matrix(
    features: Float[Array, "B D"], *, gamma: float = 0.4, order: int = 2
) -> Float[Array, "B B"]:
    r"""Taylor series of the Gaussian kernel between rows of unit length.

    .. math:: \sum_{p=0}^{P} e^{-2\gamma} \frac{(2\gamma)^p}{p!}
      \langle \hat x_i, \hat x_j \rangle^p

    Args:
      features: one row per example.
      gamma: :math:`\gamma \ge 0`, inverse width of the kernel.
      order: :math:`P \ge 0`, the last term of the series.

    Returns:
      A symmetric matrix.

    Raises:
      ValueError: where gamma or the order is negative.

    References:
      Peng, Jin, Liu, Zhou, Wu, Liu, Li and Zhang, *Correlation Congruence for Knowledge
      Distillation*, ICCV 2019, arXiv:1904.01802.
    """
    if gamma < 0 or order < 0:
        raise ValueError(f"gamma {gamma} and order {order} must not be negative")
    (rows,) = as_float32(features)
    rows = l2_normalise(rows)
    cosine = jnp.einsum("id,jd->ij", rows, rows, precision=EXACT)
    weights = [(2 * gamma) ** p / math.factorial(p) for p in range(order + 1)]
    series = sum(weight * cosine**p for p, weight in enumerate(weights))
    return math.exp(-2 * gamma) * series


def correlation_kernel(
    student: Float[Array, "B D"],
    teacher: Float[Array, "B E"],
    *,
    gamma: float = 0.4,
    order: int = 2,
    mask: Float[Array, "B"] | None = None,
) -> Float[Array, ""]:
    r"""Mean squared difference of two kernel matrices: the form of the paper.

    .. math:: \frac{1}{B^2} \| K(S) - K(T) \|_F^2

    Args:
      student: one row per example.
      teacher: one row per example; no gradient flows into it.
      gamma: inverse width of the kernel, not negative.
      order: last term of its series, not negative.
      mask: 1 for a real row, 0 for padding.

    Returns:
      One value for the batch.

    Raises:
      ValueError: where the batches differ, or gamma or the order is negative.

    References:
      Peng, Jin, Liu, Zhou, Wu, Liu, Li and Zhang, *Correlation Congruence for Knowledge
      Distillation*, ICCV 2019, arXiv:1904.01802.
    """
    row = _row_weights(student, teacher, mask)
    pair = row[:, None] * row[None]
    ours = correlation_matrix(student, gamma=gamma, order=order)
    theirs = correlation_matrix(constant(teacher), gamma=gamma, order=order)
    return divide(jnp.sum(pair * jnp.square(ours - theirs)), jnp.sum(pair))


def correlation_consecutive(
    student: Float[Array, "B D"],
    teacher: Float[Array, "B D"],
    *,
    mask: Float[Array, "B"] | None = None,
) -> Float[Array, ""]:
    r"""Products of the differences of neighbouring rows: the form of RepDistiller.

    .. math:: \frac{1}{B - 1} \sum_{i=1}^{B-1} \sum_c |\Delta_{i,c}| \,
      |\Delta_{i+1,c}|, \quad \Delta = S - T

    The result depends on the order of the batch. Both sides are embedded by trained
    layers, so gradient flows into **both**; stop it at what enters the teacher's
    embedding. With both trained a collapse of the embeddings to zero is a minimum.

    Args:
      student: embedded rows.
      teacher: embedded rows of the same width.
      mask: 1 for a real row, 0 for padding; a pair counts where both are real.

    Returns:
      One value for the batch, zero for a single row.

    Raises:
      ValueError: where the shapes differ.

    References:
      Peng, Jin, Liu, Zhou, Wu, Liu, Li and Zhang, *Correlation Congruence for Knowledge
      Distillation*, ICCV 2019, arXiv:1904.01802; the form is that of the code of Tian,
      Krishnan and Isola, *Contrastive Representation Distillation*, ICLR 2020,
      arXiv:1910.10699.
    """
    check_shapes("teacher", teacher.shape, "student", student.shape)
    row = _row_weights(student, teacher, mask)
    student, teacher = as_float32(student, teacher)
    difference = jnp.abs(student - teacher)
    products = jnp.sum(difference[:-1] * difference[1:], axis=-1)
    pair = row[:-1] * row[1:]
    return divide(jnp.sum(pair * products), jnp.sum(pair))


def _row_weights(
    student: Float[Array, "B ..."],
    teacher: Float[Array, "B ..."],
    mask: Float[Array, "B"] | None,
) -> Float[Array, "B"]:
    """Weights of the rows, once the batches are known to agree."""
    check_shapes("teacher's batch", teacher.shape[:1], "student", student.shape[:1])
    if mask is None:
        return jnp.ones(len(student), jnp.float32)
    check_shapes("mask", mask.shape, "student", student.shape[:1])
    return constant(mask)

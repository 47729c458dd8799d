r"""Multi-scale graph cross-attention between two networks' batches.

Every stage of either network makes a graph whose nodes are the batch's examples. The
graphs of a student's and a teacher's stage attend to each other and mix both maps of
activation over the batch; the mixed maps are drawn together.

The paper leaves most of this open; the defaults are readings under which every equation
is defined, the others are options. One finding comes with them: rows of a normalised
graph sum to about one, so that scores lie within :math:`[0, 1/\sqrt{b}]` and the
attention is nearly uniform whatever the features are. The loss is then close to matching
the batch's mean activation maps; ``entropy`` says how close.

There is no public code.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax.losses._common import (
    EXACT,
    adaptive_mean,
    as_float32,
    check_choice,
    check_groups,
    check_shapes,
    divide,
    l2_normalise,
)
from kdjax.losses._layout import by_columns, mean_of_segments
from kdjax.typing import Array, Float

NODES = ("video", "frame")
DISTANCES = ("flatten", "gap")
REDUCTIONS = ("sum", "mean")


class Stage(NamedTuple):
    """A stage as a graph: its normalised edges [N N] and its nodes' maps [N H W]."""

    edges: Array
    maps: Array


def edge_weights(
    features: Float[Array, "N D"], *, mask: Float[Array, "N"] | None = None
) -> Float[Array, "N N"]:
    r"""Gaussian similarity of the nodes of a graph (equation 1).

    .. math:: E_{mn} = \exp\left(-\frac{\|F_m - F_n\|^2}{2 \sigma^2}\right), \qquad
      2 \sigma^2 = \frac{1}{N (N - 1)} \sum_{m \ne n} \|F_m - F_n\|^2

    The width is a constant of the graph, through which no gradient flows: with a fixed
    one, such as 1, distances of hundreds leave the identity.

    Args:
      features: one row per node.
      mask: 1 for a real node, 0 for padding, whose edges are zero.

    Returns:
      Weights in [0, 1] with 1 from a real node to itself.

    References:
      *An Approach for RGB-to-Infrared Video Action Recognition*, after 2023, equation 1.
    """
    (x,) = as_float32(features)
    real = jnp.ones(len(x)) if mask is None else mask.astype(jnp.float32)
    pair = real[:, None] * real[None]
    # Centred, the Gram form loses no digits to a mean that all nodes share.
    mean = jnp.sum(real[:, None] * x, axis=0, keepdims=True) / jnp.sum(real)
    x = jnp.where(real[:, None] > 0, x - mean, 0.0)
    gram = jnp.matmul(x, x.T, precision=EXACT)
    squares = jnp.diagonal(gram)
    other = pair * (1.0 - jnp.eye(len(x)))
    distance = other * jax.nn.relu(squares[:, None] + squares[None] - 2.0 * gram)
    width = jax.lax.stop_gradient(divide(jnp.sum(distance), jnp.sum(other)))
    return pair * jnp.exp(-divide(distance, jnp.broadcast_to(width, distance.shape)))


def normalised_edges(edges: Float[Array, "N N"]) -> Float[Array, "N N"]:
    r"""Edges divided by the roots of both degrees (equation 2).

    .. math:: Q = D^{-1/2} E D^{-1/2}, \qquad D_{nn} = \sum_m E_{nm}

    Args:
      edges: with self loops; a padded node has none at all.

    Returns:
      A symmetric matrix, zero where a node is padding.

    References:
      *An Approach for RGB-to-Infrared Video Action Recognition*, after 2023, equation 2.
    """
    degree = jnp.sum(edges, axis=-1)
    root = jnp.where(degree > 0, jax.lax.rsqrt(jnp.where(degree > 0, degree, 1.0)), 0.0)
    return root[:, None] * edges * root[None]


def cross_attention(
    student: Float[Array, "N N"],
    teacher: Float[Array, "N N"],
    *,
    scale: float | None = None,
    mask: Float[Array, "N"] | None = None,
) -> Float[Array, "N N"]:
    r"""How the nodes of a student's graph attend to a teacher's (equation 3).

    .. math:: A = \mathrm{softmax}(s \, Q^S (Q^T)^\top)

    Args:
      student: :math:`Q^S`.
      teacher: :math:`Q^T`.
      scale: :math:`s`; :math:`1 / \sqrt{N}` over the real nodes without it.
      mask: 1 for a real node, 0 for padding, which nobody attends to.

    Returns:
      Rows that sum to one.

    References:
      *An Approach for RGB-to-Infrared Video Action Recognition*, after 2023, equation 3.
    """
    real = jnp.ones(len(student)) if mask is None else mask.astype(jnp.float32)
    factor = jax.lax.rsqrt(jnp.maximum(jnp.sum(real), 1.0)) if scale is None else scale
    scores = factor * jnp.matmul(student, teacher.T, precision=EXACT)
    return jax.nn.softmax(jnp.where(real[None] > 0, scores, -jnp.inf), axis=-1)


def entropy(
    attention: Float[Array, "N N"], *, mask: Float[Array, "N"] | None = None
) -> Float[Array, ""]:
    """Mean entropy of the rows over that of the uniform distribution, in [0, 1].

    Args:
      attention: from `cross_attention`.
      mask: 1 for a real node, 0 for padding.

    Returns:
      One where every node attends to all alike.

    References:
      *An Approach for RGB-to-Infrared Video Action Recognition*, after 2023, of whose
      equation 3 it is.
    """
    real = jnp.ones(len(attention)) if mask is None else mask.astype(jnp.float32)
    each = jnp.sum(jax.scipy.special.entr(attention), axis=-1)
    most = jnp.log(jnp.maximum(jnp.sum(real), 2.0))
    return divide(jnp.sum(real * each), jnp.sum(real)) / most


def graph_cross_attention(
    students: Sequence[Float[Array, "B S _ _ _"]],
    teachers: Sequence[Float[Array, "B S _ _ _"]],
    *,
    nodes: str = "video",
    distance: str = "flatten",
    reduction: str = "sum",
    scale: float | None = None,
    attention_gradient: bool = True,
    groups: int = 1,
    mask: Float[Array, "B"] | None = None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Distance of two networks' activation maps, mixed by cross-attention.

    .. math:: L = \frac{1}{k^2} \sum_{i,j=1}^{k} \frac{1}{N} \sum_n \left\|
      \frac{(A_{ij} M^T_j)_n}{\|(A_{ij} M^T_j)_n\|}
      - \frac{(A_{ij} M^S_i)_n}{\|(A_{ij} M^S_i)_n\|} \right\|^2

    A map :math:`M` is the mean over channels of a node's squared features; of two of
    different sizes the larger is average-pooled to the smaller. Gradients reach the
    student through its graph and its maps. See the module's docstring for what the
    attention amounts to.

    Args:
      students: maps ``[B S H W C]`` of S segments a video, stage by stage.
      teachers: as many of the teacher; no gradient flows into them.
      nodes: ``video``, a node an example, its segments averaged; or ``frame``.
      distance: of nodes, between all their features, ``flatten``, or their means over
        space, ``gap``.
      reduction: over the positions of a map, ``sum`` or ``mean``; a mean is thousands of
        times smaller.
      scale: see `cross_attention`.
      attention_gradient: whether the student learns through its graph; otherwise only
        through its maps.
      groups: parts of consecutive examples that the batch is cut into, each with graphs
        of its own: as many as devices would compute the loss by shard. One is the
        global batch.
      mask: 1 for a real example, 0 for padding.

    Returns:
      One value for the batch, and the attention's mean `entropy`.

    Raises:
      ValueError: where the stages, batches or segments disagree, an option is unknown,
        or the batch does not divide by the groups.

    References:
      *An Approach for RGB-to-Infrared Video Action Recognition*, after 2023, equations
      4 to 6.
    """
    check_choice("nodes", nodes, NODES)
    check_choice("distance", distance, DISTANCES)
    check_choice("reduction", reduction, REDUCTIONS)
    _check_stages(students, teachers, groups)
    (rows, segments), *_ = (stage.shape[:2] for stage in students)
    real = jnp.ones(rows) if mask is None else mask.astype(jnp.float32)
    if nodes == "frame":
        real = jnp.repeat(real, segments)

    whole = groups == 1

    def of_group(students, teachers, real):
        ours = [_stage(s, distance, real, whole) for s in students]
        theirs = [_stage(t, distance, real, whole) for t in teachers]
        values, entropies = [], []
        for mine in ours:
            for other in theirs:
                attention = cross_attention(
                    mine.edges, other.edges, scale=scale, mask=real
                )
                entropies.append(entropy(attention, mask=real))
                if not attention_gradient:
                    attention = jax.lax.stop_gradient(attention)
                values.append(_pair(mine.maps, other.maps, attention, reduction, real))
        return sum(values) / len(values), sum(entropies) / len(entropies)

    def cut(array):
        return array.reshape(groups, -1, *array.shape[1:])

    students = [_nodes(s, nodes) for s in students]
    teachers = [_nodes(jax.lax.stop_gradient(t), nodes) for t in teachers]
    parts = jax.tree.map(cut, (students, teachers, real))
    value, spread = jax.vmap(of_group)(*parts)
    return jnp.mean(value), jnp.mean(spread)


def _check_stages(students: Sequence, teachers: Sequence, groups: int) -> None:
    """Refuses stages that are not each other's."""
    if not students or len(students) != len(teachers):
        raise ValueError(
            f"{len(students)} stages of the student stand against "
            f"{len(teachers)} of the teacher"
        )
    for number, stage in enumerate((*students, *teachers)):
        check_shapes(
            f"stage {number}", stage.shape[:2], "the first", students[0].shape[:2]
        )
    check_groups(len(students[0]), groups)


def _nodes(features: Array, nodes: str) -> Float[Array, "N H W C"]:
    """What each node of a stage shows."""
    if nodes == "frame":
        return features.astype(jnp.float32).reshape(-1, *features.shape[2:])
    return mean_of_segments(features)


def _stage(x: Array, distance: str, real: Array, whole: bool) -> Stage:
    """The graph of a stage, of the whole batch or a part, and its nodes' maps."""
    vectors = jnp.mean(x, axis=(1, 2)) if distance == "gap" else x.reshape(len(x), -1)
    # A part's nodes may lie on one device, and then stay there.
    vectors = by_columns(vectors) if whole else vectors
    edges = normalised_edges(edge_weights(vectors, mask=real))
    return Stage(edges, jnp.mean(jnp.square(x), axis=-1))


def _pair(
    ours: Array, theirs: Array, attention: Array, reduction: str, real: Array
) -> Float[Array, ""]:
    """The term of one student's and one teacher's stage."""
    for axis in (1, 2):
        size = min(ours.shape[axis], theirs.shape[axis])
        ours, theirs = (adaptive_mean(m, axis, size) for m in (ours, theirs))
    mixed = [
        l2_normalise(jnp.matmul(attention, m.reshape(len(m), -1), precision=EXACT))
        for m in (ours, theirs)
    ]
    squares = jnp.square(mixed[0] - mixed[1])
    each = jnp.sum(squares, axis=-1)
    if reduction == "mean":
        each = each / math.prod(ours.shape[1:])
    return divide(jnp.sum(real * each), jnp.sum(real))

"""Skeleton topologies and the graphs that networks and renderers read from them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kdjax.typing import Float

Edge = tuple[int, int]


class Topology(NamedTuple):
    """Joints of a skeleton and how they hang together.

    Attributes:
      name: as given to `get`.
      joints: names in the order of the data's joint axis.
      edges: bones as ``(child, parent)``, oriented towards the centre.
      limbs: bones as ``(start, end)`` in the order of the limb heatmap channels.
      flip: ``(left, right)`` pairs that a mirror exchanges.
      center: joint that every bone leads to.
      right: right wrist and right hip, where a worn sensor may hang.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[Edge, ...]
    limbs: tuple[Edge, ...]
    flip: tuple[Edge, ...]
    center: int
    right: Edge


def _topology(
    name: str,
    joints: str,
    edges: tuple[Edge, ...],
    *,
    center: str,
    right: tuple[str, str],
    limbs: tuple[Edge, ...] | None = None,
) -> Topology:
    """A topology from its joint names; sides and flip pairs follow from the names."""
    names = tuple(joints.split())
    pairs = tuple(
        (i, names.index("right_" + joint.removeprefix("left_")))
        for i, joint in enumerate(names)
        if joint.startswith("left_")
    )
    return Topology(
        name=name,
        joints=names,
        edges=edges,
        limbs=tuple((b, a) for a, b in edges) if limbs is None else limbs,
        flip=pairs,
        center=names.index(center),
        right=(names.index(right[0]), names.index(right[1])),
    )


# fmt: off
_COCO = _topology(
    "coco",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder "
    "left_elbow right_elbow left_wrist right_wrist left_hip right_hip "
    "left_knee right_knee left_ankle right_ankle",
    ((15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5),
     (10, 8), (8, 6), (5, 0), (6, 0), (1, 0), (3, 1), (2, 0), (4, 2)),
    limbs=((0, 5), (0, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (11, 13),
           (13, 15), (6, 12), (12, 14), (14, 16), (0, 1), (0, 2), (1, 3), (2, 4),
           (11, 12)),
    center="nose",
    right=("right_wrist", "right_hip"),
)
_OPENPOSE = _topology(
    "openpose",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    "left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle "
    "right_eye left_eye right_ear left_ear",
    ((4, 3), (3, 2), (7, 6), (6, 5), (13, 12), (12, 11), (10, 9), (9, 8), (11, 5),
     (8, 2), (5, 1), (2, 1), (0, 1), (15, 0), (14, 0), (17, 15), (16, 14)),
    center="neck",
    right=("right_wrist", "right_hip"),
)
_KINECT_V1 = _topology(
    "kinect_v1",
    "head shoulder_center spine hip_center left_shoulder left_elbow left_wrist "
    "left_hand right_shoulder right_elbow right_wrist right_hand left_hip left_knee "
    "left_ankle left_foot right_hip right_knee right_ankle right_foot",
    ((0, 1), (2, 1), (4, 1), (8, 1), (3, 2), (12, 3), (16, 3), (5, 4), (6, 5),
     (7, 6), (9, 8), (10, 9), (11, 10), (13, 12), (14, 13), (15, 14), (17, 16),
     (18, 17), (19, 18)),
    center="shoulder_center",
    right=("right_wrist", "right_hip"),
)
# The fingertips hang from the thumbs and these from the hands, as 2s-AGCN has it.
_KINECT_V2 = _topology(
    "kinect_v2",
    "spine_base spine_mid neck head left_shoulder left_elbow left_wrist left_hand "
    "right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle "
    "left_foot right_hip right_knee right_ankle right_foot spine_shoulder "
    "left_hand_tip left_thumb right_hand_tip right_thumb",
    ((0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20),
     (9, 8), (10, 9), (11, 10), (12, 0), (13, 12), (14, 13), (15, 14), (16, 0),
     (17, 16), (18, 17), (19, 18), (21, 22), (22, 7), (23, 24), (24, 11)),
    center="spine_shoulder",
    right=("right_wrist", "right_hip"),
)
# fmt: on

TOPOLOGIES = {t.name: t for t in (_COCO, _OPENPOSE, _KINECT_V1, _KINECT_V2)}
"""``coco`` (17 joints), ``openpose`` (18), ``kinect_v1`` (20) and ``kinect_v2`` (25)."""

# fmt: off
COCO_DEFAULT_LIMBS: tuple[Edge, ...] = (
    (0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (5, 7), (7, 9), (0, 6), (6, 8), (8, 10),
    (5, 11), (11, 13), (13, 15), (6, 12), (12, 14), (14, 16), (11, 12),
)
# fmt: on
"""The limbs of ``coco`` in pyskl's default order, which the networks that it publishes
as the joint ones of NTU RGB+D 120 were trained on; the others know the topology's."""

PLACEMENTS = ("append_center", "append_right")
"""Where `with_sensors` may hang the nodes of worn sensors."""


def get(name: str) -> Topology:
    """The topology of a name.

    Args:
      name: one of `TOPOLOGIES`.

    Returns:
      Its joints, bones, flip pairs and centre.

    Raises:
      ValueError: where there is no such topology.
    """
    if name not in TOPOLOGIES:
        raise ValueError(f"no topology {name!r}: one of {sorted(TOPOLOGIES)}")
    return TOPOLOGIES[name]


def mirror_order(pairs: Sequence[Edge], count: int) -> tuple[int, ...]:
    """Where a mirror takes each channel from: left and right exchanged, the rest kept.

    Args:
      pairs: ``(left, right)`` channels, such as `Topology.flip`.
      count: number of channels.

    Returns:
      A permutation of the channels, its own inverse.

    Raises:
      ValueError: where a pair leaves the channels or two pairs share one.
    """
    order = list(range(count))
    for left, right in pairs:
        if not (0 <= left < count and 0 <= right < count):
            raise ValueError(f"the pair {(left, right)} leaves the {count} channels")
        order[left], order[right] = right, left
    if len({channel for pair in pairs for channel in pair}) < 2 * len(pairs):
        raise ValueError(f"two of the pairs {tuple(pairs)} share a channel")
    return tuple(order)


def limb_pairs(limbs: Sequence[Edge], flip: Sequence[Edge]) -> tuple[Edge, ...]:
    """Limbs that a mirror exchanges, as pairs of places in the list of limbs.

    Args:
      limbs: ``(start, end)`` joints of each.
      flip: ``(left, right)`` joints that a mirror exchanges.

    Returns:
      ``(left, right)``, in the order of the left limbs; a limb that is its own mirror
      image, such as the one between the hips, is in no pair.

    Raises:
      ValueError: where the mirror image of a limb is not among the limbs.
    """
    mirror = dict(flip) | {right: left for left, right in flip}
    lefts = {left for left, _ in flip}
    places = {tuple(limb): place for place, limb in enumerate(limbs)}
    pairs = []
    for place, (start, end) in enumerate(limbs):
        image = (mirror.get(start, start), mirror.get(end, end))
        if {*image} == {start, end}:
            continue
        if image not in places:
            raise ValueError(f"the limb {(start, end)} has no mirror image {image}")
        if start in lefts or end in lefts:
            pairs.append((place, places[image]))
    return tuple(pairs)


def with_sensors(topology: Topology, *, count: int, placement: str) -> Topology:
    """The topology with nodes for worn sensors after its joints.

    Args:
      topology: of the body.
      count: number of new nodes, at least one.
      placement: ``append_center`` ties each node to the centre, ``append_right`` to the
        right wrist and the right hip, the two places where UTD-MHAD wears its sensor.

    Returns:
      A topology of ``count`` more joints.

    Raises:
      ValueError: where the count is not positive or the placement unknown.

    References:
      Duhme, Memmesheimer and Paulus, *Fusion-GCN: Multimodal Action Recognition using
      Graph Convolutional Networks*, GCPR 2021, arXiv:2109.12946.
    """
    if count < 1:
        raise ValueError(f"count is {count}: at least one sensor node is needed")
    if placement not in PLACEMENTS:
        raise ValueError(f"no sensor placement {placement!r}: one of {PLACEMENTS}")
    parents = (topology.center,) if placement == "append_center" else topology.right
    first = len(topology.joints)
    edges = tuple((first + i, parent) for i in range(count) for parent in parents)
    return topology._replace(
        name=f"{topology.name}_{placement}_{count}",
        joints=topology.joints + tuple(f"sensor_{i}" for i in range(count)),
        edges=topology.edges + edges,
        limbs=topology.limbs + tuple((b, a) for a, b in edges),
    )


def _normalised_columns(matrix: np.ndarray) -> np.ndarray:
    """Columns divided by their sums; a column of zeros stays."""
    total = matrix.sum(axis=0, keepdims=True)
    return matrix / np.where(total > 0, total, 1.0)


def adjacency(
    edges: Topology | Sequence[Sequence[int]] | np.ndarray,
    num_joints: int | None = None,
) -> Float[np.ndarray, "3 J J"]:
    r"""Spatial partition of a graph: a joint itself, its children, its parents.

    .. math:: A_0 = I, \quad A_1[p, c] = 1 / n_c, \quad A_2[c, p] = 1 / m_p

    for each bone from child :math:`c` to parent :math:`p`, with :math:`n_c` the parents
    of :math:`c` and :math:`m_p` the children of :math:`p`. The orientation of the bones
    alone defines the partition.

    Args:
      edges: a topology, or its bones as ``(child, parent)``.
      num_joints: J; needed where bare bones are given.

    Returns:
      Three matrices in float64, indexed ``[source, target]``.

    Raises:
      ValueError: where the number of joints is missing or a bone leaves it.

    References:
      Shi, Zhang, Cheng and Lu, *Two-Stream Adaptive Graph Convolutional Networks for
      Skeleton-Based Action Recognition*, CVPR 2019, arXiv:1805.07694.
    """
    if isinstance(edges, Topology):
        edges, num_joints = edges.edges, num_joints or len(edges.joints)
    if num_joints is None:
        raise ValueError("num_joints is missing: bones alone do not tell it")
    pairs = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < num_joints:
        raise ValueError(f"a bone leaves the {num_joints} joints: {pairs.tolist()}")
    inward = np.zeros((num_joints, num_joints))
    inward[pairs[:, 1], pairs[:, 0]] = 1.0
    return np.stack(
        [
            np.eye(num_joints),
            _normalised_columns(inward),
            _normalised_columns(inward.T),
        ]
    )

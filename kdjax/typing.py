r"""Axis glossary and array aliases used in every signature.

Channels come last and axes are indexed from the right, so that a function written for
one recording serves a batch; ``*B`` stands for any leading axes.

====  =========================================================
axis  meaning
====  =========================================================
B     batch
V     camera views
T     frames or samples in time
H W   image height and width
C     channels
M     persons
J     joints of a skeleton
L     limbs of a skeleton
S     sensor channels
F     rows of a spectrogram, in time
Q     its frequency bands
K     classes
D     features
N     teachers, students or another small set, named where used
====  =========================================================

A *batch* is a dict of arrays keyed by modality: ``skeleton [B T M J 3]`` in metres,
``inertial [B T S]``, ``label [B]`` and ``mask [B]`` (1 for a real example, 0 for padding);
from cameras ``rgb``, ``ir`` and ``depth [B V T H W C]`` as bytes and ``joints
[B V T M J 3]`` (x and y in pixels, and a score), the main view last. Where several
actions are done before several cameras: ``audio [B V T F Q]`` and ``audible [B V T]`` (1
where there is sound), ``visible [B V T]`` (how sure a detector is of a person), ``present
[B V T]`` (0 for padding), ``labels [B K]`` and ``frame_labels [B T K]``.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, Shaped

Batch: TypeAlias = Mapping[str, jax.Array]
"""Arrays keyed by modality, each with the batch axis first."""

VIEWED = (
    *("rgb", "ir", "depth", "joints"),
    *("audio", "audible", "visible", "present"),
)
"""Keys of a batch whose second axis is the view."""

Params: TypeAlias = PyTree
"""Variables that are differentiated."""

State: TypeAlias = PyTree
"""Variables that the forward pass updates, such as batch statistics."""

Frozen: TypeAlias = Any
"""Variables that a loss reads and never differentiates, such as a teacher's."""

Metrics: TypeAlias = dict[str, jax.Array]
"""Scalars by name, every unweighted term of the loss among them."""

__all__ = [
    "VIEWED",
    "Array",
    "Batch",
    "Bool",
    "Float",
    "Frozen",
    "Int",
    "Metrics",
    "PRNGKeyArray",
    "Params",
    "PyTree",
    "Shaped",
    "State",
]

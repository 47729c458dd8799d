r"""The distillation baselines on one footing: one teacher, one extra term.

.. math:: L = r\,CE(z_S, y) + a\,\tau^2 KL(\sigma(z_T/\tau) \| \sigma(z_S/\tau)) + b\,X

``X`` is a function of this module named by the config. The maps a term compares are
sequences, or pictures of the segments of a video, see `MAPS`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses import features, logits, relational
from kdjax.losses.classification import soft_cross_entropy
from kdjax.methods import common
from kdjax.methods.common import ADAPTERS, Adapt, deployed
from kdjax.typing import Array, Batch, Float

ADAPTED = ("fitnet", "correlation")
"""Terms that train an adapter."""

COUPLED = ("similarity", "relation", "correlation", "correlation_kernel")
"""Terms that compare the examples of a batch with each other."""


class Maps(NamedTuple):
    """How stages of networks are compared.

    Attributes:
      of: stage -> map.
      batch_ndim: axes of a map before its positions: the batch, and segments.
      attended: index of the first map of attention transfer, which leaves out what
        comes before the stages proper.
      hint: index of FitNet's map.
    """

    of: Callable[[Array], Array]
    batch_ndim: int
    attended: int
    hint: int


def sequence_map(stage: Float[Array, "..."]) -> Float[Array, "B T C"]:
    """A stage as a sequence: ``[B M T J C]`` is averaged over persons and joints.

    Raises:
      ValueError: where the stage is neither a sequence nor a graph's.
    """
    if stage.ndim == 5:
        return jnp.mean(stage, axis=(1, 3), dtype=jnp.float32)
    if stage.ndim == 3:
        return stage
    raise ValueError(f"a stage of shape {stage.shape} is no sequence and no graph map")


def picture_map(stage: Float[Array, "..."]) -> Float[Array, "B S H W C"]:
    """A stage of a network of pictures, as it is.

    Raises:
      ValueError: where the stage is none.
    """
    if stage.ndim != 5:
        raise ValueError(f"a stage of shape {stage.shape} has no segments of pictures")
    return stage


MAPS = {
    # The first of RepDistiller's list is the stem's, which the others begin with too.
    "sequences": Maps(sequence_map, batch_ndim=1, attended=1, hint=2),
    # A network of pictures gives its stages alone.
    "pictures": Maps(picture_map, batch_ndim=2, attended=0, hint=1),
}


def none(student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps) -> Array:
    """No extra term: softened logits alone (ST)."""
    del teacher, adapt, maps
    return jnp.zeros_like(batch["mask"])


def logit(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Regression of logits."""
    del batch, adapt, maps
    return logits.logit_regression(student["logits"], teacher["logits"])


def fitnet(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Hint on one map, through the trained regressor ``student``."""
    del batch
    ours, theirs = (maps.of(each["stages"][maps.hint]) for each in (student, teacher))
    leading = ours.shape[: maps.batch_ndim]
    # A network of pictures regresses each picture by itself.
    flat = ours.reshape(-1, *ours.shape[maps.batch_ndim :])
    *space, width = theirs.shape[maps.batch_ndim :]
    guided = adapt("student", flat, width, tuple(space))
    return features.hint(guided.reshape(*leading, *guided.shape[1:]), theirs)


def attention(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Attention transfer on the maps before the pooled one.

    The last of the longer list are paired with those of the shorter.
    """
    del batch, adapt
    ours, theirs = (
        [maps.of(stage) for stage in each["stages"][maps.attended :]]
        for each in (student, teacher)
    )
    count = min(len(ours), len(theirs))
    values = features.attention_transfer_stages(
        ours[-count:], theirs[-count:], batch_ndim=maps.batch_ndim
    )
    return jnp.mean(values.reshape(len(values), -1), axis=-1)


def similarity(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Similarity-preserving loss on the last map."""
    del adapt
    ours, theirs = (maps.of(each["stages"][-1]) for each in (student, teacher))
    return relational.similarity_preserving(ours, theirs, mask=batch["mask"])


def relation(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Relational distillation of pooled vectors, distances and angles."""
    del adapt, maps
    return relational.rkd(student["features"], teacher["features"], mask=batch["mask"])


def correlation(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Correlation congruence of embedded pooled vectors, consecutive form."""
    del maps
    ours = adapt("student", student["features"])
    theirs = adapt("teacher", teacher["features"])
    return relational.correlation_consecutive(ours, theirs, mask=batch["mask"])


def correlation_kernel(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt, maps: Maps
) -> Array:
    """Correlation congruence of pooled vectors, published kernel form."""
    del adapt, maps
    ours, theirs = student["features"], teacher["features"]
    return relational.correlation_kernel(ours, theirs, mask=batch["mask"])


TERMS = {
    function.__name__: function
    for function in (
        none,
        logit,
        fitnet,
        attention,
        similarity,
        relation,
        correlation,
        correlation_kernel,
    )
}


def make(
    *,
    network: Network,
    teachers: Mapping[str, Method],
    term: str,
    ce_weight: float = 1.0,
    kl_weight: float = 0.0,
    term_weight: float = 0.0,
    maps: str = "sequences",
    temperature: float = 4.0,
    adapter: Callable[..., Any] | None = None,
    augment: common.Augment | None = None,
    label_smoothing: float = 0.0,
) -> Method:
    r"""A student distilled by one of the published baselines.

    Args:
      network: the student's.
      teachers: exactly one method by role.
      term: name of :math:`X`, one of `TERMS`.
      ce_weight: :math:`r`.
      kl_weight: :math:`a`.
      term_weight: :math:`b`.
      maps: what the networks' stages are, one of `MAPS`.
      temperature: :math:`\tau > 0`.
      adapter: builds the Linen module that a term trains beside the student; `fitnet`
        calls it with features and target shape, `correlation` without arguments.
      augment: ``(key, batch) -> batch``; the teacher sees what it returns.
      label_smoothing: of the student's cross-entropy, in [0, 1).

    Returns:
      A method whose metrics are ``loss``, the terms ``ce``, ``kl`` and ``term``, and
      ``accuracy``.

    Raises:
      ValueError: where the term or the kind of maps is unknown, the term lacks its
        adapter, or there is not exactly one teacher.
    """
    if term not in TERMS:
        raise ValueError(f"no term {term!r}: one of {sorted(TERMS)}")
    if maps not in MAPS:
        raise ValueError(f"no maps {maps!r}: one of {sorted(MAPS)}")
    if term in ADAPTED and adapter is None:
        raise ValueError(f"the term {term!r} trains an adapter, but none is given")
    if len(teachers) != 1:
        raise ValueError(f"a baseline has one teacher, not {sorted(teachers)}")
    (role,) = teachers

    extra = functools.partial(TERMS[term], maps=MAPS[maps])

    def init(key, batch, frozen):
        params, state = network.init(key, batch)
        adapt, trained, kept = common.fresh_adapters(adapter, key)
        taught = common.ask_teachers(teachers, frozen, batch)[role]
        extra(network.infer(params, state, batch), taught, batch, adapt)
        return {**params, ADAPTERS: trained}, {**state, ADAPTERS: kept}

    def loss(params, state, frozen, batch, key):
        outputs, next_state, batch = common.forward(
            network, augment, deployed(params), deployed(state), batch, key
        )
        taught = common.ask_teachers(teachers, frozen, batch)[role]
        adapt, kept = common.trained_adapters(adapter, params, state)
        target = common.target(batch, outputs["logits"].shape[-1], label_smoothing)
        pair = outputs["logits"], taught["logits"]
        terms = {
            "ce": soft_cross_entropy(outputs["logits"], target),
            "kl": logits.kd_kl(*pair, temperature=temperature),
            "term": extra(outputs, taught, batch, adapt),
        }
        # A term that couples the batch is one number; the mean over rows keeps it.
        terms["term"] = jnp.broadcast_to(terms["term"], terms["ce"].shape)
        values = ce_weight * terms["ce"] + kl_weight * terms["kl"]
        values = values + term_weight * terms["term"]
        total, metrics = common.reduce(values, terms, outputs["logits"], batch)
        return total, ({**next_state, ADAPTERS: kept}, metrics)

    def predict(params, state, batch):
        return network.infer(deployed(params), deployed(state), batch)

    coupled = (term,) if term in COUPLED and term_weight else ()
    return Method(init, loss, predict, coupled)

r"""The distillation baselines on one footing: one teacher, one extra term.

.. math:: L = r\,CE(z_S, y) + a\,\tau^2 KL(\sigma(z_T/\tau) \| \sigma(z_S/\tau)) + b\,X

``X`` is a function of this module named by the config. The maps a term compares are
sequences: a graph network's are averaged over persons and joints first.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses import features, logits, relational
from kdjax.losses.classification import soft_cross_entropy
from kdjax.methods import common
from kdjax.methods.common import ADAPTERS, deployed
from kdjax.typing import Array, Batch, Float

Adapt = Callable[..., Array]
"""``(name, x, *shape) -> array``: x through the adapter of that name, which is trained."""

ADAPTED = ("fitnet", "correlation")
"""Terms that train an adapter."""


def sequence_map(stage: Float[Array, "..."]) -> Float[Array, "B T C"]:
    """A stage as a sequence: ``[B M T J C]`` is averaged over persons and joints.

    Raises:
      ValueError: where the stage is neither a sequence nor a graph's.
    """
    if stage.ndim == 5:
        return jnp.mean(stage, axis=(1, 3))
    if stage.ndim == 3:
        return stage
    raise ValueError(f"a stage of shape {stage.shape} is no sequence and no graph map")


def sequence_maps(outputs: dict) -> list[Float[Array, "B T C"]]:
    """All stages as sequences, from the first to the last."""
    return [sequence_map(stage) for stage in outputs["stages"]]


def none(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """No extra term: softened logits alone (ST)."""
    del teacher, adapt
    return jnp.zeros_like(batch["mask"])


def logit(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """Regression of logits."""
    del batch, adapt
    return logits.logit_regression(student["logits"], teacher["logits"])


def fitnet(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """Hint on the third map, through the trained regressor ``student``."""
    del batch
    wanted = sequence_maps(teacher)[HINT_LAYER]
    guided = sequence_maps(student)[HINT_LAYER]
    guided = adapt("student", guided, wanted.shape[-1], (wanted.shape[1],))
    return features.hint(guided, wanted)


HINT_LAYER = 2
"""Index of the FitNet hint in the list of maps, as in RepDistiller."""


def attention(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """Attention transfer on all maps between the first and the pooled one.

    The last of the longer list are paired with those of the shorter.
    """
    del batch, adapt
    ours, theirs = sequence_maps(student)[1:], sequence_maps(teacher)[1:]
    count = min(len(ours), len(theirs))
    return features.attention_transfer_stages(ours[-count:], theirs[-count:])


def similarity(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """Similarity-preserving loss on the last map."""
    del adapt
    ours, theirs = sequence_maps(student)[-1], sequence_maps(teacher)[-1]
    return relational.similarity_preserving(ours, theirs, mask=batch["mask"])


def relation(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """Relational distillation of pooled vectors, distances and angles."""
    del adapt
    return relational.rkd(student["features"], teacher["features"], mask=batch["mask"])


def correlation(student: dict, teacher: dict, batch: Batch, adapt: Adapt) -> Array:
    """Correlation congruence of embedded pooled vectors, consecutive form."""
    ours = adapt("student", student["features"])
    theirs = adapt("teacher", teacher["features"])
    return relational.correlation_consecutive(ours, theirs, mask=batch["mask"])


def correlation_kernel(
    student: dict, teacher: dict, batch: Batch, adapt: Adapt
) -> Array:
    """Correlation congruence of pooled vectors, published kernel form."""
    del adapt
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
      temperature: :math:`\tau > 0`.
      adapter: builds the Linen module that a term trains beside the student; `fitnet`
        calls it with features and target shape, `correlation` without arguments.
      augment: ``(key, batch) -> batch``; the teacher sees what it returns.
      label_smoothing: of the student's cross-entropy, in [0, 1).

    Returns:
      A method whose metrics are ``loss``, the terms ``ce``, ``kl`` and ``term``, and
      ``accuracy``.

    Raises:
      ValueError: where the term is unknown or lacks its adapter, or there is not
        exactly one teacher.
    """
    if term not in TERMS:
        raise ValueError(f"no term {term!r}: one of {sorted(TERMS)}")
    if term in ADAPTED and adapter is None:
        raise ValueError(f"the term {term!r} trains an adapter, but none is given")
    if len(teachers) != 1:
        raise ValueError(f"a baseline has one teacher, not {sorted(teachers)}")
    (role,) = teachers

    def init(key, batch, frozen):
        params, state = network.init(key, batch)
        trained, kept = {}, {}

        def adapt(name, x, *shape):
            module = adapter(*shape)
            # The network's own key stays as it is undistilled, so that both start alike.
            own_key = jax.random.fold_in(key, 1 + len(trained))
            variables = dict(module.init(own_key, x, train=False))
            trained[name], kept[name] = variables.pop("params"), variables
            return module.apply({"params": trained[name], **kept[name]}, x, train=False)

        taught = common.ask_teachers(teachers, frozen, batch)[role]
        TERMS[term](network.infer(params, state, batch), taught, batch, adapt)
        return {**params, ADAPTERS: trained}, {**state, ADAPTERS: kept}

    def loss(params, state, frozen, batch, key):
        outputs, next_state, batch = common.forward(
            network, augment, deployed(params), deployed(state), batch, key
        )
        taught = common.ask_teachers(teachers, frozen, batch)[role]
        kept = dict(state[ADAPTERS])

        def adapt(name, x, *shape):
            variables = {"params": params[ADAPTERS][name], **kept[name]}
            out, kept[name] = adapter(*shape).apply(
                variables, x, train=True, mutable=list(kept[name])
            )
            return out

        target = common.target(batch, outputs["logits"].shape[-1], label_smoothing)
        pair = outputs["logits"], taught["logits"]
        terms = {
            "ce": soft_cross_entropy(outputs["logits"], target),
            "kl": logits.kd_kl(*pair, temperature=temperature),
            "term": TERMS[term](outputs, taught, batch, adapt),
        }
        # A term that couples the batch is one number; the mean over rows keeps it.
        terms["term"] = jnp.broadcast_to(terms["term"], terms["ce"].shape)
        values = ce_weight * terms["ce"] + kl_weight * terms["kl"]
        values = values + term_weight * terms["term"]
        total, metrics = common.reduce(values, terms, outputs["logits"], batch)
        return total, ({**next_state, ADAPTERS: kept}, metrics)

    def predict(params, state, batch):
        return network.infer(deployed(params), deployed(state), batch)

    return Method(init, loss, predict)

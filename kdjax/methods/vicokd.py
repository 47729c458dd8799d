r"""Audio and video to video: several cameras that hear teach cameras that only see.

.. math:: L = L_F + L_S + L_{FD} + L_{LD} + L_{VC}

A recording shows several actions, each with its time. What can be added up stands in
`TERMS`; a config gives the terms their weights, and so picks supervision by frames or by
sequences alone, the method, one of those that it is compared with, or an ablation:

==========  ==========================================================
method      terms beside ``frames`` and ``sequence``
==========  ==========================================================
Student     none
LogitKD     ``logits``
ModalKD     ``modalities``
DualKD      ``hallucination`` and ``logits``
CoKD        ``features`` and ``logits``
ViCoKD      ``features``, ``logits`` and ``views``
teacher     none, or ``views``
==========  ==========================================================

References:
  Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation for
  Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870.
"""

import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses import consistency, features, multilabel
from kdjax.losses import logits as divergences
from kdjax.methods import common
from kdjax.typing import Array, Batch, Float, Frozen, Metrics, Params

PAPER = types.MappingProxyType(
    dict(frames=1.0, sequence=1.0, features=1.0, logits=1.0, views=1.0)
)
"""Weights of equation 11, supervised by frames."""


class Options(NamedTuple):
    """What terms can be told; see `make`."""

    temperature: float
    logit_kind: str
    logit_views: bool
    reduction: str
    form: str
    groups: int
    human_confidence: float
    consistency: Mapping[str, Any]


def real_frames(batch: Batch) -> Float[Array, "B T"]:
    """1 for a frame of an example that a camera filmed, 0 for padding."""
    return jnp.max(batch["present"], axis=1) * batch["mask"][:, None]


def over_views(
    values: Float[Array, "B V"], counted: Float[Array, "B V T"]
) -> Float[Array, "B"]:
    """Mean over the cameras of an example of which any frame counts."""
    views = jnp.max(counted, axis=2)
    return jnp.sum(views * values, axis=1) / jnp.maximum(jnp.sum(views, axis=1), 1.0)


def frames(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """:math:`L_F`: two-way loss of all frames of the batch."""
    del theirs
    scores, truth = ours["frame_logits"], batch["frame_labels"]
    rows = (-1, scores.shape[-1])
    return multilabel.two_way(
        scores.reshape(rows),
        truth.reshape(rows),
        mask=real_frames(batch).reshape(-1),
        groups=options.groups,
    )


def sequence(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """:math:`L_S`: two-way loss of whole recordings."""
    del theirs
    return multilabel.two_way(
        ours["seq_logits"],
        batch["labels"],
        mask=batch["mask"],
        groups=options.groups,
    )


def actionness(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """MultiASL's own loss without frame labels: its chosen frames, and when one acts.

    The frames chosen for the classes of a recording are the truth for both branches that
    say whether anything is done at all.
    """
    del theirs
    whole = multilabel.two_way(
        ours["logits"], batch["labels"], mask=batch["mask"], groups=options.groups
    )
    acted = pseudo_actions(ours["selected"], batch["labels"], real_frames(batch))
    when = sum(
        multilabel.generalised_cross_entropy(
            ours[f"actionness_{branch}"], acted, mask=real_frames(batch)
        )
        for branch in ("flow", "rgb")
    )
    return whole + when


def pseudo_actions(
    selected: Array, labels: Float[Array, "B K"], real: Float[Array, "B T"]
) -> Float[Array, "B T"]:
    """1 for a frame that was chosen for a class of the recording.

    Args:
      selected: frames ``[B N K]`` chosen for every class.
      labels: 1 for the classes of a recording.
      real: 0 for padding.

    Returns:
      A constant.
    """
    chosen = jax.nn.one_hot(selected, real.shape[1]) * labels[:, None, :, None]
    return jax.lax.stop_gradient(jnp.max(chosen, axis=(1, 2)) * real)


def feature_term(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """:math:`L_{FD}`, equation 7: attended sound and audio-visual features."""
    names = ("attn", "av")
    values = features.feature_distillation(
        [ours[name] for name in names],
        [theirs[name] for name in names],
        reduction=options.reduction,
        mask=batch["present"],
    )
    return over_views(values, batch["present"])


def logit_term(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """:math:`L_{LD}`, equation 8: frame logits of all cameras, or of each."""
    told = dict(temperature=options.temperature, kind=options.logit_kind)
    if not options.logit_views:
        pair = ours["frame_logits"], theirs["frame_logits"]
        return divergences.frame_kl(*pair, mask=real_frames(batch), **told)
    pair = ours["view_frame_logits"], theirs["view_frame_logits"]
    values = divergences.frame_kl(*pair, mask=batch["present"], **told)
    return over_views(values, batch["present"])


def view_term(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """:math:`L_{VC}`, equations 9 and 10: cameras that see a person agree."""
    del theirs
    if options.consistency.get("masked", True) and "visible" not in batch:
        raise KeyError(
            "the views term wants to know who is visible where: no person masks were "
            "prepared (see python -m data_pipelines.people)"
        )
    return consistency.view_consistency(
        ours["view_frame_logits"],
        batch.get("visible"),
        present=batch["present"],
        threshold=options.human_confidence,
        **options.consistency,
    )


def modality_term(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """ModalKD: visual features, and the made-up sound against the real one."""
    visual = features.feature_distillation(
        [ours["visual"]],
        [theirs["visual"]],
        reduction=options.reduction,
        mask=batch["present"],
    )
    squared = options._replace(form="squared")
    sound = hallucination_term(ours, theirs, batch, squared)
    return over_views(visual, batch["present"]) + sound


def hallucination_term(
    ours: dict, theirs: dict, batch: Batch, options: Options
) -> Array:
    """DualKD: the made-up sound against the real one, where any was to be heard."""
    heard = batch["present"] * batch["audible"]
    values = features.hallucination(
        ours["audio"],
        theirs["audio"],
        form=options.form,
        reduction=options.reduction,
        mask=heard,
    )
    return over_views(values, heard)


def human_term(ours: dict, theirs: dict, batch: Batch, options: Options) -> Array:
    """MultiTSF's: when a camera sees a person."""
    del theirs, options
    values = multilabel.human_cross_entropy(
        ours["human_logits"], batch["visible"], mask=batch["present"]
    )
    return over_views(values, batch["present"])


TERMS: dict[str, Callable[..., Array]] = {
    "frames": frames,
    "sequence": sequence,
    "actionness": actionness,
    "features": feature_term,
    "logits": logit_term,
    "views": view_term,
    "modalities": modality_term,
    "hallucination": hallucination_term,
    "humans": human_term,
}
TAUGHT = ("features", "logits", "modalities", "hallucination")
"""Those that need a teacher."""
COUPLED = ("frames", "sequence", "actionness")
"""Those that compare the examples of a batch with each other, by the two-way loss."""


def inherited(params: Params, teacher: Params) -> Params:
    """A student's variables, those of its teacher where name and shape are the same."""
    if not isinstance(params, Mapping):
        same = getattr(teacher, "shape", None) == params.shape
        return teacher if same else params
    known = teacher if isinstance(teacher, Mapping) else {}
    return {
        name: inherited(part, known[name]) if name in known else part
        for name, part in params.items()
    }


def make(
    *,
    network: Network,
    teachers: Mapping[str, Method] = types.MappingProxyType({}),
    weights: Mapping[str, float] = PAPER,
    temperature: float = 4.0,
    logit_kind: str = "softmax",
    logit_views: bool = False,
    reduction: str = "sum",
    form: str = "squared",
    groups: int = 1,
    human_confidence: float = 0.25,
    view_consistency: Mapping[str, Any] = types.MappingProxyType({}),
    init_from_teacher: bool = False,
    augment: common.Augment | None = None,
) -> Method:
    r"""A network of several cameras, supervised, and distilled where it has a teacher.

    Args:
      network: gives the outputs of `kdjax.models.audiovisual.Model`.
      teachers: one method by role, or none.
      weights: of `TERMS` by name; the others are not computed. The paper's are all one.
      temperature: of the ``logits`` term; the paper states none.
      logit_kind: "softmax" over classes or one "sigmoid" a class.
      logit_views: whether that term compares each camera by itself, and not what is
        made of all of them.
      reduction: of distances of features over their width: "sum", the equation's, or
        "mean".
      form: of the ``hallucination`` term, "squared" or "sigmoid".
      groups: parts of the batch that two-way losses see by themselves: one is the
        global batch; as many as devices compute them by shard.
      human_confidence: above it a camera sees a person.
      view_consistency: options of `kdjax.losses.consistency.view_consistency`.
      init_from_teacher: whether a student starts from its teacher's variables, where
        both have the same.
      augment: ``(key, batch) -> batch``; the teacher sees what it returns.

    Returns:
      A method whose metrics are ``loss`` and the unweighted terms.

    Raises:
      ValueError: where a term is unknown, one needs a teacher and there is none, or
        there are several.
    """
    unknown = sorted(set(weights) - set(TERMS))
    if unknown:
        raise ValueError(f"no terms {unknown}: some of {sorted(TERMS)}")
    used = [name for name in TERMS if weights.get(name)]
    if len(teachers) > 1:
        raise ValueError(f"there is one teacher at most, not {sorted(teachers)}")
    if not teachers and (init_from_teacher or set(used) & set(TAUGHT)):
        raise ValueError(
            f"no teacher is given, but the terms {used} or the initial values need one"
        )
    options = Options(
        temperature=temperature,
        logit_kind=logit_kind,
        logit_views=logit_views,
        reduction=reduction,
        form=form,
        groups=groups,
        human_confidence=human_confidence,
        consistency=view_consistency,
    )

    def init(key, batch, frozen):
        params, state = network.init(key, batch)
        if init_from_teacher:
            ((taught, _),) = frozen.values()
            params = inherited(params, taught)
        return params, state

    def loss(params, state, frozen, batch, key):
        ours, state, batch = common.forward(network, augment, params, state, batch, key)
        theirs = taught(frozen, batch)
        terms = {name: TERMS[name](ours, theirs, batch, options) for name in used}
        # A term that couples the batch is one number, of the others the mean is.
        values: Metrics = {
            name: common.masked_mean(term, batch) if term.ndim else term
            for name, term in terms.items()
        }
        total = sum(weights[name] * value for name, value in values.items())
        return total, (state, {"loss": total, **values})

    def taught(frozen: Frozen, batch: Batch) -> dict:
        answers = common.ask_teachers(teachers, frozen, batch)
        return next(iter(answers.values()), {})

    coupled = tuple(name for name in used if name in COUPLED)
    return Method(init, loss, network.infer, coupled)

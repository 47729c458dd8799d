"""Every loss once, with its oracle and the shapes of small arrays."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kdjax.losses import (
    classification,
    confidence,
    consistency,
    contrastive,
    decoupled,
    features,
    logits,
    multi_teacher,
    multilabel,
    relational,
)
from tests import reference, reference_multilabel

BATCH, CLASSES, WIDTH, TEACHERS = 5, 4, 6, 3


class Case(NamedTuple):
    """A loss of positional arrays; ``student`` and ``teacher`` are their positions."""

    loss: Callable
    oracle: Callable
    shapes: tuple
    student: tuple[int, ...]
    teacher: tuple[int, ...]


LABEL, TARGET, LABELS, SHARES = "label", "target", "labels", "shares"
LOGITS = (BATCH, CLASSES)
VECTORS = (BATCH, WIDTH)
MANY_LOGITS = (TEACHERS, *LOGITS)
MANY_VECTORS = (TEACHERS, *VECTORS)
STAGES = ((BATCH, 6, 4, 3), (BATCH, 4, 4, 2), (BATCH, 5, 2), (BATCH, 7, 3))
VIEWS = (BATCH, 3, WIDTH)
FRAMES = (BATCH, 3, CLASSES)
SCENES = (BATCH, 3, 2, CLASSES)
ACS = (LOGITS, MANY_LOGITS, LABEL, VECTORS, MANY_VECTORS)
DECOUPLED = {"temperature": 3.0, "target_weight": 0.7, "others_weight": 0.35}
DEFAULTS = {
    "temperature": 4.0,
    "mk_temperature": 4.0,
    "alpha": 0.7,
    "gate": "correct",
    "select": "soft",
    "mk_form": "cross_entropy",
    "kd_t2": True,
    "gate_kl": False,
    "renorm": False,
}


def draw(shape, rng, scale=1.0):
    """Values of one argument; labels and probabilities are asked for by name."""
    if shape == LABEL:
        return rng.integers(0, CLASSES, BATCH).astype(np.int32)
    if shape == TARGET:
        return rng.dirichlet(np.ones(CLASSES), BATCH).astype(np.float32)
    if shape == LABELS:
        return rng.integers(0, 2, LOGITS).astype(np.float32)
    if shape == SHARES:
        return rng.uniform(0.05, 0.95, LOGITS).astype(np.float32)
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def arrays(case, seed=0, scale=1.0):
    """All arguments of a case."""
    rng = np.random.default_rng(seed)
    return [draw(shape, rng, scale) for shape in case.shapes]


def pair(loss, oracle, student, teacher=None, **options):
    """A loss of a student's and a teacher's array."""
    return Case(
        functools.partial(loss, **options),
        functools.partial(oracle, **options),
        (student, student if teacher is None else teacher),
        (0,),
        (1,),
    )


def acs(**changes):
    """The loss of several teachers under one choice of readings."""
    options = {**DEFAULTS, **changes}
    weights = {"alpha": options["alpha"], "beta": 1.3, "gamma": 0.2}

    def loss(*args):
        return multi_teacher.acs(*args, **options, beta=1.3, gamma=0.2)[0]

    def oracle(*args):
        terms = reference.acs_terms(*args, options=options)
        total = terms["ce"] + weights["alpha"] * terms["kl"]
        return (
            total + weights["beta"] * terms["mk"] + weights["gamma"] * terms["semantic"]
        )

    return Case(loss, oracle, ACS, (0, 3), (1, 4))


def views(**options):
    """The consistency of views, its weights followed by the gradient as by a slope."""
    return pair(
        functools.partial(consistency.view_consistency, weight_grad=True),
        reference_multilabel.view_consistency,
        SCENES,
        SCENES[:-1],
        **options,
    )


def stages(loss):
    """A loss of two stages or two features, called with four arrays."""
    return lambda s0, t0, s1, t1: loss((s0, s1), (t0, t1))


def two_stages(students, teachers):
    """The oracle summed over stages."""
    return sum(reference.attention_transfer(s, t) for s, t in zip(students, teachers))


def confidence_kd(student, teachers, label):
    """The oracle of weighted divergences."""
    omega = reference.confidence_weights(
        [reference.cross_entropy(t, label) for t in teachers]
    )
    kl = [reference.kd_kl(student, t, temperature=4.0) for t in teachers]
    return (omega * kl).mean(axis=0)


def confidence_hint(students, teachers, omega):
    """The oracle of weighted hints."""
    pairs = zip(students, teachers)
    return (omega * [reference.mean_squared(s, t) for s, t in pairs]).mean(axis=0)


def divergences(student, teachers):
    """The oracle of the divergences by teacher."""
    return np.array([reference.kd_kl(student, t, temperature=4.0) for t in teachers])


CASES = {
    "cross_entropy": Case(
        classification.cross_entropy,
        reference.cross_entropy,
        (LOGITS, LABEL),
        (0,),
        (),
    ),
    "cross_entropy_smoothed": Case(
        functools.partial(classification.cross_entropy, label_smoothing=0.1),
        functools.partial(reference.cross_entropy, label_smoothing=0.1),
        (LOGITS, LABEL),
        (0,),
        (),
    ),
    "soft_cross_entropy": pair(
        classification.soft_cross_entropy,
        reference.soft_cross_entropy,
        LOGITS,
        TARGET,
        label_smoothing=0.1,
    ),
    "kd_kl": pair(logits.kd_kl, reference.kd_kl, LOGITS, temperature=4.0),
    "kd_kl_plain": pair(
        logits.kd_kl, reference.kd_kl, LOGITS, temperature=2.0, kd_t2=False
    ),
    "logit_regression": pair(logits.logit_regression, reference.mean_squared, LOGITS),
    "guided_kl": Case(
        functools.partial(logits.guided_kl, temperature=2.0, decay=0.81),
        functools.partial(reference.guided_kl, temperature=2.0, decay=0.81),
        (LOGITS, LOGITS, LABEL),
        (0,),
        (1,),
    ),
    "decoupled": Case(
        functools.partial(decoupled.decoupled, **DECOUPLED),
        functools.partial(reference.decoupled, **DECOUPLED),
        (LOGITS, LOGITS, LABEL),
        (0,),
        (1,),
    ),
    "hint": pair(features.hint, reference.mean_squared, STAGES[0]),
    "semantic": pair(features.semantic, reference.semantic, VECTORS),
    "attention_transfer": pair(
        features.attention_transfer, reference.attention_transfer, *STAGES[:2]
    ),
    "attention_transfer_cubed": pair(
        features.attention_transfer,
        reference.attention_transfer,
        *STAGES[2:],
        exponent=3,
    ),
    "attention_transfer_stages": Case(
        stages(features.attention_transfer_stages),
        stages(two_stages),
        STAGES,
        (0, 2),
        (1, 3),
    ),
    "rkd_distance": pair(
        relational.rkd_distance, reference.rkd_distance, VECTORS, LOGITS
    ),
    "rkd_distance_all": pair(
        relational.rkd_distance, reference.rkd_distance, VECTORS, LOGITS, mean="all"
    ),
    "rkd_angle": pair(relational.rkd_angle, reference.rkd_angle, VECTORS, LOGITS),
    "rkd": pair(relational.rkd, reference.rkd, VECTORS, LOGITS),
    "similarity_preserving": pair(
        relational.similarity_preserving, reference.similarity_preserving, *STAGES[:2]
    ),
    "correlation_kernel": pair(
        relational.correlation_kernel,
        reference.correlation_kernel,
        VECTORS,
        LOGITS,
        gamma=0.6,
        order=3,
    ),
    "correlation_consecutive": Case(
        relational.correlation_consecutive,
        reference.correlation_consecutive,
        (VECTORS, VECTORS),
        (0, 1),
        (),
    ),
    "negative_cosine": pair(
        contrastive.negative_cosine, reference.negative_cosine, VECTORS
    ),
    "view_share": pair(
        contrastive.view_share, reference.view_share, VECTORS, VIEWS, view=1
    ),
    "view_agreement": pair(contrastive.view_agreement, reference.view_agreement, VIEWS),
    "divergences": Case(
        functools.partial(confidence.divergences, temperature=4.0),
        divergences,
        (LOGITS, MANY_LOGITS),
        (0,),
        (1,),
    ),
    "confidence_kd": Case(
        functools.partial(confidence.confidence_kd, temperature=4.0),
        confidence_kd,
        (LOGITS, MANY_LOGITS, LABEL),
        (0,),
        (1,),
    ),
    "confidence_hint": Case(
        confidence.confidence_hint,
        confidence_hint,
        (MANY_VECTORS, MANY_VECTORS, (TEACHERS, BATCH)),
        (0,),
        (1, 2),
    ),
    "acs": acs(),
    "acs_loss_gate": acs(gate="loss", gate_kl=True),
    "acs_batch_gate": acs(gate="batch_loss", kd_t2=False),
    "acs_hard": acs(select="hard", gate_kl=True, mk_form="kl"),
    "acs_hard_ungated": acs(select="hard", gate="none", mk_temperature=1.0),
    "acs_renorm": acs(renorm=True, mk_temperature=1.0, mk_form="kl"),
    "two_way": pair(multilabel.two_way, reference_multilabel.two_way, LOGITS, LABELS),
    "generalised_cross_entropy": pair(
        multilabel.generalised_cross_entropy,
        reference_multilabel.generalised_cross_entropy,
        SHARES,
        LABELS,
    ),
    "human_cross_entropy": pair(
        multilabel.human_cross_entropy,
        reference_multilabel.human_cross_entropy,
        LOGITS,
        SHARES,
    ),
    "frame_kl": pair(
        logits.frame_kl, reference_multilabel.frame_kl, FRAMES, temperature=4.0
    ),
    "frame_kl_sigmoid": pair(
        logits.frame_kl,
        reference_multilabel.frame_kl,
        FRAMES,
        temperature=2.0,
        kind="sigmoid",
    ),
    "feature_distillation": Case(
        stages(features.feature_distillation),
        stages(reference_multilabel.feature_distillation),
        (FRAMES,) * 4,
        (0, 2),
        (1, 3),
    ),
    "hallucination": pair(
        functools.partial(features.hallucination, form="sigmoid"),
        reference_multilabel.hallucination,
        FRAMES,
    ),
    "view_consistency": views(),
    "view_consistency_sigmoid": views(kind="sigmoid", divergence="kl_symmetric"),
}

r"""Channel-correlation-based selective distillation, with all its parts and schedule.

.. math:: L = w_{CE} \, CE + w_{2} \, KD_2 + w_{KD} \, KD + w_{CD} \, CD + w_{R} \, RKD

``CD`` is the squared difference of pooled maps and ``RKD`` the relation of the examples
among them, both summed over stages, the student's maps passing a 1x1 convolution to the
teacher's channels first. :math:`KD_2` counts double where the teacher is right. Weights
follow the training, see `weights`.

References:
  Liu, Wang, Zhang and others, *Channel-Correlation-Based Selective Knowledge
  Distillation*, TCDS 2022; https://github.com/gjplab/CCSKD.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses import features, logits, relational
from kdjax.losses.classification import soft_cross_entropy
from kdjax.methods import common
from kdjax.methods.common import ADAPTERS, STEP, Adapt, deployed
from kdjax.typing import Array, Float

EPOCHS = 200
"""Of the original training, whose breakpoints are kept as shares of any other."""

RELATION = 6.0
"""The original's weight of relational distillation."""


class Weights(NamedTuple):
    """Of the terms, and the factor of the mask of :math:`KD_2`."""

    ce: Array
    guided: Array
    kl: Array
    channel: Array
    relation: Array
    decay: Array


def weights(
    epoch: Float[Array, ""],
    *,
    ce: float = 1.0,
    guided: float = 0.1,
    kl: float = 0.1,
    channel: float = 6.0,
    relation: float = RELATION,
    late: int = 60,
) -> Weights:
    """The weights at an epoch of the original's two hundred.

    Labels are heard after the epoch `late` alone; channel distillation falls by a tenth
    at the epochs 60 and 160, the mask by a tenth every thirty.

    Args:
      epoch: whole, from 0.
      ce: weight of the cross-entropy once it is heard.
      guided: of :math:`KD_2`, likewise.
      kl: of plain softened logits.
      channel: of channel distillation at the beginning.
      relation: of relational distillation.
      late: last epoch without labels; -1 hears them throughout.

    Returns:
      The weights.
    """
    heard = jnp.where(epoch > late, 1.0, 0.0)
    falls = jnp.where(epoch >= 60, 1, 0) + jnp.where(epoch >= 160, 1, 0)
    return Weights(
        ce=ce * heard,
        guided=guided * heard,
        kl=jnp.asarray(kl),
        channel=channel * 0.9**falls,
        relation=jnp.asarray(relation),
        decay=0.9 ** jnp.floor(epoch / 30),
    )


def channel_terms(
    students: Sequence[Array],
    teachers: Sequence[Array],
    adapt: Adapt,
    *,
    mask: Float[Array, "B"],
) -> tuple[Float[Array, "B"], Float[Array, ""]]:
    """Channel distillation and the relation of the pooled maps.

    Args:
      students: stages ``[B S H W C]``.
      teachers: as many; no gradient flows into them.
      adapt: takes the map of the stage ``stage1`` and so on to the teacher's channels.
      mask: 1 for a real example, 0 for padding.

    Returns:
      CD, one value an example, and RKD, one for the batch.

    Raises:
      ValueError: where the stages are not each other's.
    """
    if len(students) != len(teachers):
        raise ValueError(
            f"{len(students)} stages of the student stand against "
            f"{len(teachers)} of the teacher"
        )
    channel, relation = 0.0, 0.0
    for number, (ours, theirs) in enumerate(zip(students, teachers), 1):
        rows, segments, *space, _ = ours.shape
        flat = ours.reshape(-1, *ours.shape[2:])
        guided = adapt(f"stage{number}", flat, theirs.shape[-1], tuple(space))
        guided = guided.mean(axis=(1, 2)).reshape(rows, segments, -1).mean(axis=1)
        wanted = theirs.mean(axis=(1, 2, 3), dtype=jnp.float32)
        channel = channel + features.hint(guided, wanted)
        relation = relation + relational.rkd(
            guided, wanted, distance_weight=1.0, angle_weight=2.0, mask=mask
        )
    return channel, relation


def make(
    *,
    network: Network,
    teachers: Mapping[str, Method],
    adapter: Callable[..., Any],
    total_steps: int,
    temperature: float = 1.0,
    augment: common.Augment | None = None,
    label_smoothing: float = 0.0,
    **schedule: Any,
) -> Method:
    r"""A student distilled by its teacher's channels.

    Args:
      network: the student's, whose stages are ``[B S H W C]``.
      teachers: exactly one method by role.
      adapter: builds the Linen module between stages from channels and spatial sizes.
      total_steps: of the student, over which the schedule runs; the runner knows it.
      temperature: of both terms on logits.
      augment: ``(key, batch) -> batch``; the teacher sees what it returns.
      label_smoothing: of the student's cross-entropy, in [0, 1).
      **schedule: options of `weights`.

    Returns:
      A method whose metrics are ``loss``, the terms ``ce``, ``guided``, ``kl``,
      ``channel`` and ``relation``, and ``accuracy``.

    Raises:
      ValueError: where there is not exactly one teacher.
    """
    if len(teachers) != 1:
        raise ValueError(f"a baseline has one teacher, not {sorted(teachers)}")
    (role,) = teachers

    def init(key, batch, frozen):
        params, state = network.init(key, batch)
        adapt, trained, kept = common.fresh_adapters(adapter, key)
        taught = common.ask_teachers(teachers, frozen, batch)[role]
        ours = network.infer(params, state, batch)["stages"]
        channel_terms(ours, taught["stages"], adapt, mask=batch["mask"])
        own = {**state, ADAPTERS: kept, STEP: jnp.zeros((), jnp.int32)}
        return {**params, ADAPTERS: trained}, own

    def loss(params, state, frozen, batch, key):
        outputs, next_state, batch = common.forward(
            network, augment, deployed(params), deployed(state), batch, key
        )
        taught = common.ask_teachers(teachers, frozen, batch)[role]
        adapt, kept = common.trained_adapters(adapter, params, state)
        target = common.target(batch, outputs["logits"].shape[-1], label_smoothing)
        pair = outputs["logits"], taught["logits"]
        epoch = jnp.floor(EPOCHS * state[STEP] / total_steps)
        now = weights(epoch, **schedule)
        channel, relation = channel_terms(
            outputs["stages"], taught["stages"], adapt, mask=batch["mask"]
        )
        terms = {
            "ce": soft_cross_entropy(outputs["logits"], target),
            "guided": logits.guided_kl(
                *pair, batch["label"], temperature=temperature, decay=now.decay
            ),
            "kl": logits.kd_kl(*pair, temperature=temperature),
            "channel": channel,
            "relation": jnp.broadcast_to(relation, channel.shape),
        }
        values = sum(getattr(now, name) * term for name, term in terms.items())
        total, metrics = common.reduce(values, terms, outputs["logits"], batch)
        kept = {ADAPTERS: kept, STEP: state[STEP] + 1}
        return total, ({**next_state, **kept}, metrics)

    def predict(params, state, batch):
        return network.infer(deployed(params), deployed(state), batch)

    heard = schedule.get("relation", RELATION)
    return Method(init, loss, predict, ("relation",) if heard else ())

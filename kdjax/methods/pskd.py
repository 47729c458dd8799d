"""Progressive skeleton-to-sensor distillation: the student's side.

Teachers are other roles of the experiment; that they advance a few epochs ahead of the
student (PSKD(n)), a step ahead of it, or are trained first is the schedule's affair. The
loss reads whatever variables they have at that moment.

References:
  Ni, Ngu and Yan, *Progressive Cross-modal Knowledge Distillation for Human Action
  Recognition*, ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses.multi_teacher import acs
from kdjax.methods import common

BATCH_GATE = "batch_loss"
"""The reading of the gate that compares an example with the rest of its batch."""


def make(
    *,
    network: Network,
    teachers: Mapping[str, Method],
    augment: common.Augment | None = None,
    label_smoothing: float = 0.0,
    **options,
) -> Method:
    r"""The student under the adaptive-confidence semantic loss (equation 7).

    Args:
      network: the student's; its ``hidden`` is as wide as the teachers'.
      teachers: methods of the teachers by role; ``frozen`` holds their variables.
      augment: ``(key, batch) -> batch``; the teachers see what it returns.
      label_smoothing: of the student's cross-entropy, in [0, 1).
      **options: weights and readings, see `kdjax.losses.multi_teacher.acs`.

    Returns:
      A method whose metrics are ``loss``, the terms ``ce``, ``kl``, ``mk`` and
      ``semantic``, and ``accuracy``.

    Raises:
      ValueError: where there is no teacher or an option has no such value.
      TypeError: where there is no such option.
    """
    if not teachers:
        raise ValueError("PSKD needs at least one teacher")
    _check(options)

    def init(key, batch, frozen):
        del frozen
        return network.init(key, batch)

    def loss(params, state, frozen, batch, key):
        outputs, state, batch = common.forward(
            network, augment, params, state, batch, key
        )
        taught = common.ask_teachers(teachers, frozen, batch).values()
        values, terms = acs(
            outputs["logits"],
            jnp.stack([each["logits"] for each in taught]),
            batch["label"],
            outputs["hidden"],
            jnp.stack([each["hidden"] for each in taught]),
            target=common.target(batch, outputs["logits"].shape[-1], label_smoothing),
            mask=batch["mask"],
            **options,
        )
        total, metrics = common.reduce(values, terms, outputs["logits"], batch)
        return total, (state, metrics)

    coupled = (BATCH_GATE,) if options.get("gate") == BATCH_GATE else ()
    return Method(init, loss, network.infer, coupled)


def _check(options: Mapping) -> None:
    """Lets the loss refuse its options before teachers have been trained for it."""
    shapes = (1, 2), (1, 1, 2), (1,), (1, 3), (1, 1, 3)
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    arrays[2] = jax.ShapeDtypeStruct(shapes[2], jnp.int32)
    jax.eval_shape(functools.partial(acs, **options), *arrays)

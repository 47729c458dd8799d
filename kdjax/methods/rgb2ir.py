r"""RGB to infrared: graph cross-attention between stages, and decoupled distillation.

.. math:: L = CE(z_S, y) + \alpha \, (\alpha_T \, TCKD + \alpha_N \, NCKD)
   + \beta \, MGCAM

Teacher and student see the same segments of one performance, one in colour and one in
infrared. Nothing but the student is left at the test. The paper's 0.1 for
:math:`\alpha` on NTU RGB+D is 0.01 on PKU-MMD.

References:
  *An Approach for RGB-to-Infrared Video Action Recognition*, after 2023, equation 10.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses import decoupled
from kdjax.losses.classification import soft_cross_entropy
from kdjax.losses.graphs import graph_cross_attention
from kdjax.methods import common
from kdjax.methods.common import STEP, deployed


def make(
    *,
    network: Network,
    teachers: Mapping[str, Method],
    dkd_weight: float = 0.1,
    graph_weight: float = 1.0,
    temperature: float = 4.0,
    kd_t2: bool = True,
    target_weight: float = 0.7,
    others_weight: float = 0.35,
    warmup: float = 0.0,
    total_steps: int = 1,
    augment: common.Augment | None = None,
    label_smoothing: float = 0.0,
    **graph: Any,
) -> Method:
    r"""A student that is drawn to its teacher's answers and to its graphs.

    Args:
      network: the student's.
      teachers: exactly one method by role.
      dkd_weight: :math:`\alpha`.
      graph_weight: :math:`\beta`.
      temperature: of the decoupled terms; the paper states none.
      kd_t2: whether those carry the factor :math:`\tau^2`.
      target_weight: :math:`\alpha_T`.
      others_weight: :math:`\alpha_N`.
      warmup: share of the training over which :math:`\alpha` rises from zero, as in
        public code of decoupled distillation; the paper mentions none.
      total_steps: of the student, which the runner knows; read with `warmup` alone.
      augment: ``(key, batch) -> batch``; the teacher sees what it returns.
      label_smoothing: of the student's cross-entropy, in [0, 1).
      **graph: options of `kdjax.losses.graphs.graph_cross_attention`; its ``groups``
        says whether graphs are of the global batch or of parts of it.

    Returns:
      A method whose metrics are ``loss``, the terms ``ce``, ``tckd``, ``nckd`` and
      ``mgcam``, the ``entropy`` of the attention, which is one where it is uniform, and
      ``accuracy``. A term of weight zero is not computed.

    Raises:
      ValueError: where there is not exactly one teacher, or the warm-up is no share.
    """
    if len(teachers) != 1:
        raise ValueError(f"RGB to infrared has one teacher, not {sorted(teachers)}")
    if not 0.0 <= warmup <= 1.0:
        raise ValueError(f"warmup is {warmup}, no share of the training")
    (role,) = teachers

    def init(key, batch, frozen):
        del frozen
        params, state = network.init(key, batch)
        return params, {**state, STEP: jnp.zeros((), jnp.int32)}

    def loss(params, state, frozen, batch, key):
        outputs, next_state, batch = common.forward(
            network, augment, params, deployed(state), batch, key
        )
        taught = common.ask_teachers(teachers, frozen, batch)[role]
        target = common.target(batch, outputs["logits"].shape[-1], label_smoothing)
        terms = {"ce": soft_cross_entropy(outputs["logits"], target)}
        values = terms["ce"]
        if dkd_weight:
            terms["tckd"], terms["nckd"] = decoupled.decoupled_terms(
                outputs["logits"],
                taught["logits"],
                batch["label"],
                temperature=temperature,
                kd_t2=kd_t2,
            )
            both = target_weight * terms["tckd"] + others_weight * terms["nckd"]
            values = values + dkd_weight * risen(state[STEP]) * both
        if graph_weight:
            couple = graph_cross_attention(
                outputs["stages"], taught["stages"], mask=batch["mask"], **graph
            )
            # One number for the batch: the mean over rows keeps it.
            terms["mgcam"], terms["entropy"] = (
                jnp.broadcast_to(value, values.shape) for value in couple
            )
            values = values + graph_weight * terms["mgcam"]
        total, metrics = common.reduce(values, terms, outputs["logits"], batch)
        return total, ({**next_state, STEP: state[STEP] + 1}, metrics)

    def risen(step):
        # One throughout where there is no warm-up.
        return (
            jnp.minimum(step / max(warmup * total_steps, 1e-9), 1.0) if warmup else 1.0
        )

    def predict(params, state, batch):
        return network.infer(params, deployed(state), batch)

    return Method(init, loss, predict, ("mgcam",) if graph_weight else ())

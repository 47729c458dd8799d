r"""Skeleton to multi-view video: students that share their parameters, one a view.

.. math:: L = KL(P_T^\tau \| P_N^\tau) + CE(z_N, \hat{c}_T) + \lambda \, CL^N

The last view is the main one: it alone hears the teacher. All pairs of views are drawn
together by the contrastive term. The loss of one view is written once, with the named
axis ``view``; `kdjax.parallel` runs it under vmap, pmap and a mesh.

References:
  Liu, Liu and Tian, *Cross-Modality Distillation for Multi-View Action Recognition*,
  IJCCC 20(6), 2025, https://doi.org/10.15837/ijccc.2025.6.6883.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.losses import contrastive
from kdjax.losses.classification import cross_entropy, soft_cross_entropy
from kdjax.losses.logits import kd_kl
from kdjax.methods import common
from kdjax.methods.common import ADAPTERS, deployed
from kdjax.parallel import VIEW, ViewLoss, sum_over_views
from kdjax.typing import Array, Batch, Float

CE_TARGETS = ("pseudo", "ground_truth", "soft")
AUX_VIEW_CE = ("none", "head_only", "all")
TAUGHT = "taught"
"""Key under which a batch carries the teacher's logits, ``[B K]``."""


def target_term(
    logits: Float[Array, "B K"], batch: Batch, *, ce_target: str
) -> Float[Array, "B"]:
    """Cross-entropy with what the teacher says, or with the truth (equation 5).

    Args:
      logits: of a student.
      batch: holds ``taught``, and ``label`` for the truth.
      ce_target: ``pseudo``, the teacher's most probable class; ``ground_truth``; or
        ``soft``, its distribution.

    Returns:
      One value per example.
    """
    taught = jax.lax.stop_gradient(batch[TAUGHT])
    if ce_target == "soft":
        return soft_cross_entropy(logits, jax.nn.softmax(taught))
    label = batch["label"]
    return cross_entropy(
        logits, jnp.argmax(taught, axis=-1) if ce_target == "pseudo" else label
    )


def mean_answer(logits: Sequence[Float[Array, "B K"]]) -> Float[Array, "B K"]:
    r"""Several teachers as one: the logarithm of their mean probability.

    .. math:: \log \tfrac{1}{n} \sum_t \mathrm{softmax}(z_t)

    Args:
      logits: :math:`z_t` of each teacher.

    Returns:
      Logits; those of a single teacher as they are.
    """
    if len(logits) == 1:
        return logits[0]
    scores = jax.nn.log_softmax(jnp.stack(logits))
    return jax.nn.logsumexp(scores, axis=0) - math.log(len(logits))


def make_view_loss(
    *,
    network: Network,
    predictor: Any,
    temperature: float = 2.0,
    kl_t2: bool = False,
    kl_weight: float = 1.0,
    ce_weight: float = 1.0,
    view_weight: float = 0.005,
    ce_target: str = "pseudo",
    aux_view_ce: str = "none",
) -> ViewLoss:
    r"""The loss of one view, for the forms of `kdjax.parallel`.

    Args:
      network: the students'; reads one view and has a method ``classify`` where
        `aux_view_ce` is ``head_only``.
      predictor: Linen module ``(features, train) -> (prediction, target)``.
      temperature: :math:`\tau > 0` of the divergence.
      kl_t2: whether the divergence is multiplied by :math:`\tau^2`; equation 3 has no
        such factor.
      kl_weight: of the divergence.
      ce_weight: of the cross-entropy.
      view_weight: :math:`\lambda`.
      ce_target: see `target_term`.
      aux_view_ce: cross-entropy of the views that are not the main one: ``none``; on
        their last layer, ``head_only``; or ``all`` of them.

    Returns:
      ``(params, state, frozen, batch, key) -> (loss, (state, metrics))``, shares of the
      sums over views. The batch has the teacher's logits under ``taught``.

    Raises:
      ValueError: where an option has no such value.
    """
    if ce_target not in CE_TARGETS:
        raise ValueError(f"ce_target is {ce_target!r}: one of {CE_TARGETS}")
    if aux_view_ce not in AUX_VIEW_CE:
        raise ValueError(f"aux_view_ce is {aux_view_ce!r}: one of {AUX_VIEW_CE}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, not {temperature}")

    def view_loss(params, state, frozen, batch, key):
        del frozen
        view, views = jax.lax.axis_index(VIEW), jax.lax.axis_size(VIEW)
        main = (view == views - 1).astype(jnp.float32)
        own, kept = deployed(params), deployed(state)
        outputs, kept = network.train(own, kept, batch, jax.random.fold_in(key, view))
        (prediction, features), adapted = predictor.apply(
            {"params": params[ADAPTERS], **state[ADAPTERS]},
            outputs["features"],
            train=True,
            mutable=list(state[ADAPTERS]),
        )
        everyone = jax.lax.all_gather(
            jax.lax.stop_gradient(features), VIEW, axis=features.ndim - 1
        )
        logits = outputs["logits"]
        if aux_view_ce == "head_only":
            fixed = jax.lax.stop_gradient(outputs["features"])
            variables = {"params": own, **kept}
            alone = network.module.apply(variables, fixed, method="classify")
            logits_ce = jnp.where(main > 0, logits, alone)
        else:
            logits_ce = logits
        divergence = kd_kl(logits, batch[TAUGHT], temperature=temperature, kd_t2=kl_t2)
        hears = main if aux_view_ce == "none" else 1.0
        terms = {
            "kl": main * divergence,
            "ce": hears * target_term(logits_ce, batch, ce_target=ce_target),
            "view": contrastive.view_share(prediction, everyone, view=view),
        }
        values = kl_weight * terms["kl"] + ce_weight * terms["ce"]
        values = values + view_weight * terms["view"]
        loss, metrics = common.reduce(values, terms, logits, batch)
        metrics["accuracy"] = main * metrics["accuracy"]
        metrics["spread"] = contrastive.spread(outputs["features"]) / views
        return loss, ({**kept, ADAPTERS: adapted}, metrics)

    return view_loss


def make(
    *,
    network: Network,
    teachers: Mapping[str, Method],
    adapter: Callable[..., Any],
    augment: common.Augment | None = None,
    **options: Any,
) -> Method:
    """Students of several views that share one set of parameters.

    Args:
      network: the students'.
      teachers: one method by role, or several, of which the mean probability teaches.
      adapter: builds the predictor, without arguments.
      augment: ``(key, batch) -> batch`` on all views; the teacher sees what it returns.
      **options: of `make_view_loss`.

    Returns:
      A method whose metrics are ``loss``, the terms ``kl``, ``ce`` and ``view``, the
      main view's ``accuracy``, and ``spread``, which is zero where features collapse.

    Raises:
      ValueError: where an option has no such value, or there is no teacher.
      TypeError: where there is no such option.
    """
    if not teachers:
        raise ValueError("CMMVL has a teacher or several, none is given")
    predictor = adapter()
    loss_of_views = sum_over_views(
        make_view_loss(network=network, predictor=predictor, **options)
    )

    def init(key, batch, frozen):
        del frozen
        params, state = network.init(key, batch)
        features = network.infer(params, state, batch)["features"]
        variables = dict(
            predictor.init(jax.random.fold_in(key, 1), features, train=False)
        )
        trained = variables.pop("params")
        return {**params, ADAPTERS: trained}, {**state, ADAPTERS: variables}

    def loss(params, state, frozen, batch, key):
        augment_key, model_key = jax.random.split(key)
        if augment is not None:
            batch = augment(augment_key, batch)
        asked = common.ask_teachers(teachers, frozen, batch)
        batch = {
            **batch,
            TAUGHT: mean_answer([asked[name]["logits"] for name in asked]),
        }
        return loss_of_views(params, state, {}, batch, model_key)

    def predict(params, state, batch):
        return network.infer(deployed(params), deployed(state), batch)

    return Method(init, loss, predict)

"""Channel-correlation-based distillation: its parts, its connectors, its schedule."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core
from kdjax.losses import logits
from kdjax.methods import ccskd, common, supervised
from kdjax.models.adapters import ConvRegressor
from tests import tiny
from tests.models import videos

KEY = jax.random.key(6)
STUDENT = videos.network("ir")
# On the same pictures: the connectors leave positions where they are.
TEACHERS = {"teacher": supervised.make(network=videos.network("ir", width=6))}
CONNECTOR = functools.partial(ConvRegressor, use_bias=False)


@functools.cache
def frozen():
    method = TEACHERS["teacher"]
    return {"teacher": jax.jit(method.init)(jax.random.key(1), videos.batch(), {})}


def make(**options):
    options = {"total_steps": 200, "adapter": CONNECTOR, **options}
    return ccskd.make(network=STUDENT, teachers=TEACHERS, **options)


@functools.cache
def compiled(**options):
    method, batch = make(**options), videos.batch(padding=1)
    variables = jax.jit(method.init)(KEY, batch, frozen())
    run = jax.jit(jax.value_and_grad(method.loss, argnums=(0, 2), has_aux=True))
    return variables, run


def at(epoch, **options):
    """Loss, state, metrics and gradients at a step of two hundred."""
    (params, state), run = compiled(**options)
    state = {**state, common.STEP: state[common.STEP] + epoch}
    batch = videos.batch(padding=1)
    (loss, (state, metrics)), gradients = run(params, state, frozen(), batch, KEY)
    return loss, state, metrics, gradients


@pytest.mark.parametrize("epoch", [0, 60, 61, 159, 160])
def test_the_loss_is_the_sum_of_its_parts_under_the_weights_of_the_epoch(epoch):
    loss, state, metrics, _ = at(epoch)
    now = ccskd.weights(jnp.float32(epoch))
    parts = ("ce", "guided", "kl", "channel", "relation")
    want = sum(getattr(now, name) * metrics[name] for name in parts)
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    assert sorted(metrics) == sorted((*parts, "loss", "accuracy"))
    assert state[common.STEP] == epoch + 1


def test_the_schedule_is_the_originals_whatever_the_number_of_steps():
    for steps, step, epoch in ((50, 15, 60), (50, 16, 64), (1000, 304, 60)):
        (params, state), run = compiled(total_steps=steps)
        state = {**state, common.STEP: state[common.STEP] + step}
        batch = videos.batch(padding=1)
        (loss, (_, metrics)), _ = run(params, state, frozen(), batch, KEY)
        now = ccskd.weights(jnp.float32(epoch))
        parts = ("ce", "guided", "kl", "channel", "relation")
        want = sum(getattr(now, name) * metrics[name] for name in parts)
        np.testing.assert_allclose(loss, want, rtol=1e-5, err_msg=str((steps, step)))


def test_terms_on_logits_are_those_of_the_loss_library():
    _, _, metrics, _ = at(100)
    batch = videos.batch(padding=1)
    params, state = jax.jit(STUDENT.init)(KEY, batch)
    ours, _ = jax.jit(STUDENT.train)(params, state, batch, KEY)
    theirs = jax.jit(TEACHERS["teacher"].predict)(*frozen()["teacher"], batch)
    pair, weight = (ours["logits"], theirs["logits"]), batch["mask"] / 5
    plain = logits.kd_kl(*pair, temperature=1.0) @ weight
    guided = logits.guided_kl(*pair, batch["label"], decay=0.9**3) @ weight
    np.testing.assert_allclose(metrics["kl"], plain, rtol=1e-5)
    np.testing.assert_allclose(metrics["guided"], guided, rtol=1e-5)


def test_labels_may_be_heard_throughout():
    early, *_ = at(0)
    heard, _, metrics, _ = at(0, late=-1)
    gap = metrics["ce"] + 0.1 * metrics["guided"]
    np.testing.assert_allclose(heard - early, gap, rtol=1e-4)


def test_the_relation_compares_examples():
    assert make().coupled == ("relation",)
    assert make(relation=0.0).coupled == ()


def test_connectors_are_trained_and_not_deployed():
    (params, state), _ = compiled()
    *_, (ours, theirs) = at(100)
    assert sorted(params[common.ADAPTERS]) == ["stage1", "stage2"]
    assert all((g != 0).any() for g in jax.tree.leaves(ours))
    assert all((g == 0).all() for g in jax.tree.leaves(theirs))
    own, _ = jax.jit(STUDENT.init)(KEY, videos.batch())
    tiny.assert_same(common.deployed(params), own)
    _, after, _, _ = at(100)
    before = jax.tree.leaves(state[common.ADAPTERS])
    moved = jax.tree.leaves(after[common.ADAPTERS])
    assert all((a != b).any() for a, b in zip(before, moved))


def test_a_few_steps_lower_the_loss():
    method, optimizer = make(late=-1), optax.adam(3e-3)
    batch = videos.batch()
    state = core.init_state(method, optimizer, KEY, batch, frozen())
    step = jax.jit(functools.partial(core.train_step, method, optimizer))
    losses = []
    for _ in range(12):
        state, metrics = step(state, frozen(), batch, KEY)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.9 * losses[0]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="has one teacher"):
        ccskd.make(network=STUDENT, teachers={}, adapter=CONNECTOR, total_steps=1)
    stages, mask = (videos.batch()["ir"],), videos.batch()["mask"]
    with pytest.raises(ValueError, match="1 stages of the student stand against 2"):
        ccskd.channel_terms(stages, stages * 2, CONNECTOR, mask=mask)

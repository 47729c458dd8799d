"""The paper's loss: its terms, its switches, its step count, and what it leaves alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core
from kdjax.losses import decoupled, graphs
from kdjax.losses.classification import cross_entropy
from kdjax.methods import common, rgb2ir, supervised
from tests import tiny
from tests.models import videos

KEY = jax.random.key(5)
STUDENT = videos.network()
TEACHERS = {"teacher": supervised.make(network=videos.network("rgb", width=6))}


@functools.cache
def frozen():
    method = TEACHERS["teacher"]
    return {"teacher": jax.jit(method.init)(jax.random.key(1), videos.batch(), {})}


def make(**options):
    return rgb2ir.make(network=STUDENT, teachers=TEACHERS, **options)


def variables(method, taught=None):
    return jax.jit(method.init)(KEY, videos.batch(), taught or frozen())


@functools.cache
def outcome(**options):
    """Loss, state, metrics and gradients into the student and the teacher."""
    method, batch = make(**options), videos.batch(padding=1)
    params, state = variables(method)
    run = jax.jit(jax.value_and_grad(method.loss, argnums=(0, 2), has_aux=True))
    (loss, (state, metrics)), gradients = run(params, state, frozen(), batch, KEY)
    return loss, state, metrics, gradients


def outputs():
    batch = videos.batch(padding=1)
    params, state = jax.jit(STUDENT.init)(KEY, batch)
    ours, _ = jax.jit(STUDENT.train)(params, state, batch, KEY)
    theirs = jax.jit(TEACHERS["teacher"].predict)(*frozen()["teacher"], batch)
    return ours, theirs, batch


def test_the_loss_is_the_sum_of_its_terms_and_each_is_the_function_it_names():
    loss, _, metrics, _ = outcome(dkd_weight=0.3, graph_weight=0.5, temperature=2.0)
    ours, theirs, batch = outputs()
    weight = batch["mask"] / batch["mask"].sum()
    want = {"ce": cross_entropy(ours["logits"], batch["label"]) @ weight}
    for name, term in zip(
        ("tckd", "nckd"),
        decoupled.decoupled_terms(
            ours["logits"], theirs["logits"], batch["label"], temperature=2.0
        ),
    ):
        want[name] = term @ weight
    want["mgcam"], want["entropy"] = jax.jit(graphs.graph_cross_attention)(
        ours["stages"], theirs["stages"], mask=batch["mask"]
    )
    for name, value in want.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-5, err_msg=name)
    both = 0.7 * want["tckd"] + 0.35 * want["nckd"]
    total = want["ce"] + 0.3 * both + 0.5 * want["mgcam"]
    np.testing.assert_allclose(loss, total, rtol=1e-5)
    assert 0.99 < metrics["entropy"] <= 1.0


def test_no_gradient_reaches_the_teacher_and_all_parameters_of_the_student_move():
    *_, (ours, theirs) = outcome()
    assert all((g == 0).all() for g in jax.tree.leaves(theirs))
    assert all((g != 0).any() for g in jax.tree.leaves(ours))


def test_a_term_of_weight_zero_is_not_computed():
    *_, metrics, _ = outcome(dkd_weight=0.0)
    assert sorted(metrics) == ["accuracy", "ce", "entropy", "loss", "mgcam"]
    *_, metrics, _ = outcome(graph_weight=0.0)
    assert sorted(metrics) == ["accuracy", "ce", "loss", "nckd", "tckd"]
    loss, _, metrics, _ = outcome(dkd_weight=0.0, graph_weight=0.0)
    assert loss == metrics["ce"]


def test_graphs_compare_examples():
    assert make().coupled == ("mgcam",)
    assert make(graph_weight=0.0).coupled == ()


def test_the_warm_up_raises_distillation_from_nothing():
    method, batch = make(graph_weight=0.0, warmup=0.5, total_steps=8), videos.batch()
    params, state = variables(method)
    shares, run = [], jax.jit(method.loss)
    for step in range(6):
        assert state[common.STEP] == step
        loss, (state, metrics) = run(params, state, frozen(), batch, KEY)
        both = 0.7 * metrics["tckd"] + 0.35 * metrics["nckd"]
        shares.append((loss - metrics["ce"]) / (0.1 * both))
    np.testing.assert_allclose(shares, [0, 0.25, 0.5, 0.75, 1, 1], atol=1e-4)


def test_the_count_of_steps_is_not_deployed():
    method, batch = make(), videos.batch()
    params, state = variables(method)
    assert common.deployed(state) == jax.jit(STUDENT.init)(KEY, batch)[1]
    predict = jax.jit(method.predict)
    got = predict(params, common.deployed(state), batch)["logits"]
    np.testing.assert_array_equal(got, predict(params, state, batch)["logits"])


def test_options_of_the_graphs_are_passed_on():
    _, _, whole, _ = outcome(dkd_weight=0.0)
    for option in (dict(nodes="frame"), dict(groups=2), dict(reduction="mean")):
        _, _, other, _ = outcome(dkd_weight=0.0, **option)
        assert other["mgcam"] != whole["mgcam"], option


def test_a_few_steps_lower_the_loss_and_leave_the_teacher_as_it_was():
    method, optimizer, batch = make(), optax.adam(2e-2), videos.batch()
    before = tiny.copy(frozen())
    state = core.init_state(method, optimizer, KEY, batch, frozen())
    step = jax.jit(functools.partial(core.train_step, method, optimizer))
    losses = []
    for _ in range(30):
        state, metrics = step(state, frozen(), batch, KEY)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.9 * losses[0]
    assert state.state[common.STEP] == 30
    tiny.assert_same(frozen(), before)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="has one teacher"):
        rgb2ir.make(network=STUDENT, teachers={})
    with pytest.raises(ValueError, match="warmup is 2"):
        make(warmup=2.0)
    with pytest.raises(ValueError, match="nodes must be one of"):
        outcome(nodes="person")
    with pytest.raises(TypeError, match="sigma"):
        outcome(sigma=1.0)


def test_extreme_answers_of_the_teacher_leave_everything_finite():
    loud = {"teacher": jax.tree.map(lambda leaf: 1e3 * leaf, frozen()["teacher"])}
    method, batch = make(), videos.batch()
    params, state = variables(method, loud)
    run = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    (loss, _), gradient = run(params, state, loud, batch, KEY)
    assert all(jnp.isfinite(leaf).all() for leaf in (loss, *jax.tree.leaves(gradient)))

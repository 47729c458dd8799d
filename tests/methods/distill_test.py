import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core
from kdjax.methods import common, distill, supervised
from kdjax.models.adapters import ConvRegressor, Embed
from tests import reference, tiny

KEY = jax.random.key(8)
# No normalisation in training: rows meet each other in the terms alone.
STUDENT = tiny.network(norm=False)
TEACHER = supervised.make(network=tiny.network("skeleton", graph=True, width=4))
TEACHERS = {"teacher": TEACHER}
WEIGHTS = {"ce_weight": 0.7, "kl_weight": 0.4, "term_weight": 2.0}
ADAPTERS = {
    "fitnet": ConvRegressor,
    "correlation": functools.partial(Embed, features=4, normalise=False),
}
TERMS = sorted(distill.TERMS)


class RowRegressor(nn.Module):
    """Takes a map to the teacher's channels; no row feels another."""

    features: int
    target_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(self.features)(x)


def make(term, *, network=STUDENT, **options):
    adapter = ADAPTERS.get(term)
    options = {"adapter": adapter, **WEIGHTS, **options}
    return distill.make(network=network, teachers=TEACHERS, term=term, **options)


@functools.cache
def teacher_variables():
    return {"teacher": jax.jit(TEACHER.init)(jax.random.key(1), tiny.batch(), {})}


@functools.cache
def undistilled():
    method = supervised.make(network=STUDENT)
    return jax.jit(method.init)(KEY, tiny.batch(), {})


def started(method):
    return jax.jit(method.init)(KEY, tiny.batch(), teacher_variables())


@functools.cache
def prepared(term, **options):
    """Variables, and ``batch -> ((loss, (state, metrics)), gradients)``, compiled.

    The gradients are those into the student and into the teachers.
    """
    method = make(term, **options)
    params, state = started(method)
    run = jax.jit(jax.value_and_grad(method.loss, argnums=(0, 2), has_aux=True))
    frozen = teacher_variables()
    return (params, state), lambda batch: run(params, state, frozen, batch, KEY)


def metrics_of(term, **options):
    _, run = prepared(term, **options)
    return run(tiny.batch())[0][1][1]


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_logged_weighted_and_differentiated(term):
    _, run = prepared(term)
    (loss, (_, metrics)), (ours, theirs) = run(tiny.batch(padding=2))
    assert set(metrics) == {"loss", "ce", "kl", "term", "accuracy"}
    total = 0.7 * metrics["ce"] + 0.4 * metrics["kl"] + 2.0 * metrics["term"]
    np.testing.assert_allclose(loss, total, rtol=1e-6)
    assert metrics["loss"] == loss
    assert (float(metrics["term"]) > 1e-4) == (term != "none")
    for leaf in jax.tree.leaves(theirs):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))
    adapters = ours[common.ADAPTERS]
    assert bool(adapters) == (term in distill.ADAPTED)
    for name, adapter in adapters.items():
        # A bias before a batch normalisation moves nothing; the kernel does.
        kernels = [leaf for leaf in jax.tree.leaves(adapter) if leaf.ndim > 1]
        assert kernels and all(np.any(kernel) for kernel in kernels), name


@pytest.mark.parametrize("term", TERMS)
def test_padding_contributes_nothing(term):
    # FitNet's own regressor normalises over the batch, so another stands in for it.
    own = {"adapter": RowRegressor} if term == "fitnet" else {}
    _, run = prepared(term, **own)
    batch = tiny.batch(padding=3)
    tiny.assert_close(run(batch), run(tiny.with_garbage(batch)), atol=2e-6)


@pytest.mark.parametrize("term", TERMS)
def test_a_student_starts_as_it_would_undistilled(term):
    (params, state), _ = prepared(term)
    tiny.assert_same(common.deployed(params), undistilled()[0])
    tiny.assert_same(common.deployed(state), undistilled()[1])


def outputs_of(batch):
    """What the student and the teacher make of a batch."""
    params, state = undistilled()
    student = jax.jit(STUDENT.infer)(params, state, batch)
    teacher = jax.jit(TEACHER.predict)(*teacher_variables()["teacher"], batch)
    return tiny.copy(student), tiny.copy(teacher)


def over_joints(stage):
    """``[B M T J C]`` to ``[B T C]``, one number at a time."""
    batch, persons, steps, joints, channels = stage.shape
    out = np.zeros((batch, steps, channels))
    for b, m, t, j, c in np.ndindex(*stage.shape):
        out[b, t, c] += stage[b, m, t, j, c] / (persons * joints)
    return out


def test_the_terms_are_the_published_ones_of_the_right_features():
    batch = tiny.batch()
    student, teacher = outputs_of(batch)
    label = np.asarray(batch["label"])
    theirs = [over_joints(stage) for stage in teacher["stages"]]
    last = student["stages"][-1].reshape(8, -1), theirs[-1].reshape(8, -1)
    pooled = student["features"], teacher["features"]
    # Maps of the student after the first, and those of the teacher, of equal length.
    maps = zip(student["stages"][1:], theirs[1:])
    expected = {
        "none": 0.0,
        "logit": reference.mean_squared(student["logits"], teacher["logits"]).mean(),
        "attention": sum(reference.attention_transfer(s, t).mean() for s, t in maps),
        "similarity": reference.similarity_preserving(*last),
        "relation": reference.rkd(*pooled),
        "correlation_kernel": reference.correlation_kernel(*pooled),
    }
    for term, value in expected.items():
        metrics = metrics_of(term)
        np.testing.assert_allclose(metrics["term"], value, rtol=2e-4, err_msg=term)
        ce = reference.cross_entropy(student["logits"], label).mean()
        np.testing.assert_allclose(metrics["ce"], ce, rtol=1e-5)
        kl = reference.kd_kl(student["logits"], teacher["logits"], temperature=4.0)
        np.testing.assert_allclose(metrics["kl"], kl.mean(), rtol=1e-4)


def test_a_hint_is_taken_from_the_third_map():
    (params, _), _ = prepared("fitnet", adapter=RowRegressor)
    student, teacher = outputs_of(tiny.batch())
    layer = tiny.copy(params[common.ADAPTERS]["student"]["Dense_0"])
    guided = student["stages"][2] @ layer["kernel"] + layer["bias"]
    expected = reference.mean_squared(guided, over_joints(teacher["stages"][2])).mean()
    metrics = metrics_of("fitnet", adapter=RowRegressor)
    np.testing.assert_allclose(metrics["term"], expected, rtol=1e-4)


def test_correlation_compares_embeddings_of_both_networks():
    (params, _), _ = prepared("correlation")
    student, teacher = outputs_of(tiny.batch())
    embedded = []
    for name, outputs in (("student", student), ("teacher", teacher)):
        layer = tiny.copy(params[common.ADAPTERS][name]["linear"])
        embedded.append(outputs["features"] @ layer["kernel"] + layer["bias"])
    expected = reference.correlation_consecutive(*embedded)
    metrics = metrics_of("correlation")
    np.testing.assert_allclose(metrics["term"], expected, rtol=1e-4)


@pytest.mark.parametrize("term", distill.ADAPTED)
def test_adapters_are_trained_and_not_deployed(term):
    method, batch, frozen = make(term), tiny.batch(), teacher_variables()
    optimizer = optax.sgd(0.1)
    state = core.TrainState(
        jnp.zeros((), jnp.int32), *started(method), optimizer.init(None)
    )
    step = jax.jit(functools.partial(core.train_step, method, optimizer))
    after, _ = step(state, frozen, batch, KEY)
    before_leaves = jax.tree.leaves(state.params[common.ADAPTERS])
    after_leaves = jax.tree.leaves(after.params[common.ADAPTERS])
    assert any(not np.array_equal(a, b) for a, b in zip(before_leaves, after_leaves))
    if term == "fitnet":
        before, now = (s.state[common.ADAPTERS]["student"] for s in (state, after))
        assert jax.tree.structure(before) == jax.tree.structure(now)
        means = [s["batch_stats"]["norm"]["mean"] for s in (before, now)]
        assert not np.array_equal(*means)
    predict = jax.jit(method.predict)
    outputs = predict(after.params, after.state, batch)
    bare = predict(common.deployed(after.params), common.deployed(after.state), batch)
    tiny.assert_same(outputs, bare)


def test_the_two_embeddings_start_apart():
    network = tiny.network(norm=False, width=4)
    params, _ = started(make("correlation", network=network))
    kernels = [
        params[common.ADAPTERS][n]["linear"]["kernel"] for n in ("student", "teacher")
    ]
    assert kernels[0].shape == kernels[1].shape
    assert not np.array_equal(*kernels)


def test_the_teacher_sees_what_the_student_sees():
    # A student that is its own teacher: no divergence, whatever the augmentation does.
    own = {"teacher": supervised.make(network=STUDENT)}
    frozen = {"teacher": undistilled()}

    def noisy(key, batch):
        noise = jax.random.normal(key, batch["inertial"].shape)
        return {**batch, "inertial": batch["inertial"] + noise}

    method = distill.make(network=STUDENT, teachers=own, term="logit", augment=noisy)
    params, state = jax.jit(method.init)(KEY, tiny.batch(), frozen)
    _, (_, metrics) = jax.jit(method.loss)(params, state, frozen, tiny.batch(), KEY)
    assert abs(float(metrics["kl"])) < 1e-5 and float(metrics["term"]) < 1e-9
    assert float(metrics["ce"]) > 0.1


def test_label_smoothing_reaches_the_cross_entropy():
    batch = tiny.batch()
    logits = outputs_of(batch)[0]["logits"]
    metrics = metrics_of("none", label_smoothing=0.3)
    expected = reference.cross_entropy(
        logits, np.asarray(batch["label"]), label_smoothing=0.3
    )
    np.testing.assert_allclose(metrics["ce"], expected.mean(), rtol=1e-5)


def test_graph_maps_are_averaged_over_persons_and_joints():
    stage = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)).astype(np.float32)
    out = distill.sequence_map(jnp.asarray(stage))
    np.testing.assert_allclose(out, over_joints(stage), atol=1e-6)


def test_a_map_of_an_image_network_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4, 5\) is no sequence"):
        distill.sequence_map(jnp.zeros((2, 3, 4, 5)))


def test_an_unknown_term_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'hint': one of .*'fitnet'.*'similarity'"):
        make("hint")


@pytest.mark.parametrize("term", distill.ADAPTED)
def test_a_missing_adapter_is_named(term):
    with pytest.raises(ValueError, match=f"'{term}' trains an adapter"):
        make(term, adapter=None)


@pytest.mark.parametrize("roles", [(), ("a", "b")])
def test_a_baseline_has_one_teacher(roles):
    teachers = dict.fromkeys(roles, TEACHER)
    with pytest.raises(ValueError, match="one teacher, not"):
        distill.make(network=STUDENT, teachers=teachers, term="none")

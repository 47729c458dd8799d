import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core, parallel
from kdjax.losses.classification import cross_entropy
from kdjax.methods import distill, pskd, supervised
from tests import tiny

KEY = jax.random.key(7)
OPTIMIZER = optax.adam(1e-2)
STUDENT = tiny.network(dropout=0.3)
TEACHER = supervised.make(network=tiny.network("skeleton", "inertial"))


def plain():
    """A student under cross-entropy, with batch statistics and dropout."""
    return supervised.make(network=STUDENT)


def distilled():
    """A student of the frozen teacher."""
    return distill.make(
        network=STUDENT, teachers={"teacher": TEACHER}, term="logit", term_weight=1.0
    )


def teacher_variables(batch):
    return {"teacher": jax.jit(TEACHER.init)(jax.random.key(3), batch, {})}


def step_of(method, optimizer=OPTIMIZER, *, donate=False):
    step = functools.partial(core.train_step, method, optimizer)
    return jax.jit(step, donate_argnums=0 if donate else ())


def start(method, batch, frozen, optimizer=OPTIMIZER):
    init = functools.partial(core.init_state, method, optimizer)
    return jax.jit(init)(KEY, batch, frozen)


def run(step, state, frozen, batches):
    for batch in batches:
        state, metrics = step(state, frozen, batch, KEY)
    return state, metrics


def test_a_network_reads_its_inputs_in_their_order():
    batch = tiny.batch()
    network = tiny.network("inertial", "skeleton")
    first, second = network.streams(batch)
    assert first is batch["inertial"] and second is batch["skeleton"]


def test_a_network_names_the_input_that_a_batch_lacks():
    batch = {"skeleton": tiny.batch()["skeleton"]}
    with pytest.raises(KeyError, match=r"\['skeleton'\] but no \['inertial'\]"):
        STUDENT.init(KEY, batch)


def test_inference_reads_what_training_has_stored():
    batch = tiny.batch()
    params, state = jax.jit(STUDENT.init)(KEY, batch)
    _, trained = jax.jit(STUDENT.train)(params, state, batch, KEY)
    mean = state["batch_stats"]["BatchNorm_0"]["mean"]
    moved = trained["batch_stats"]["BatchNorm_0"]["mean"]
    assert jax.tree.structure(trained) == jax.tree.structure(state)
    assert not np.array_equal(mean, moved)
    infer = jax.jit(STUDENT.infer)
    before = infer(params, state, batch)["logits"]
    after = infer(params, trained, batch)["logits"]
    assert not np.allclose(before, after)
    # No dropout: a second time gives the same.
    again = infer(params, trained, batch)["logits"]
    np.testing.assert_array_equal(after, again)


def test_a_network_without_state_trains():
    network, batch = tiny.network(norm=False), tiny.batch()
    method = supervised.make(network=network)
    state = start(method, batch, {})
    assert state.state == {}
    after, _ = step_of(method)(state, {}, batch, KEY)
    assert after.state == {} and int(after.step) == 1


@pytest.mark.parametrize("make", [plain, distilled])
def test_a_few_steps_lower_the_loss(make):
    method, batch = make(), tiny.batch()
    frozen = teacher_variables(batch)
    state = start(method, batch, frozen)

    predict = jax.jit(functools.partial(core.eval_step, method))

    def loss_of(state):
        logits = predict(state, batch)["logits"]
        return float(cross_entropy(logits, batch["label"]).mean())

    after, metrics = run(step_of(method), state, frozen, [batch] * 15)
    assert loss_of(after) < 0.9 * loss_of(state)
    assert int(after.step) == 15
    assert float(metrics["grad_norm"]) > 0


def test_the_norm_of_the_gradient_is_logged():
    method, batch = plain(), tiny.batch()
    state = start(method, batch, {}, optax.sgd(1.0))
    after, metrics = step_of(method, optax.sgd(1.0))(state, {}, batch, KEY)
    # Under SGD of rate one the parameters move by the gradient itself.
    moves = jax.tree.map(lambda a, b: a - b, state.params, after.params)
    squares = sum(
        float(np.sum(np.square(m, dtype=np.float64))) for m in jax.tree.leaves(moves)
    )
    np.testing.assert_allclose(metrics["grad_norm"], np.sqrt(squares), rtol=1e-4)


def test_the_teacher_is_bit_identical_after_training():
    method, batch = distilled(), tiny.batch()
    frozen = teacher_variables(batch)
    before = tiny.copy(frozen)
    state = start(method, batch, frozen)
    run(step_of(method, donate=True), state, frozen, [batch] * 3)
    tiny.assert_same(before, tiny.copy(frozen))


def test_the_gradient_into_the_teachers_is_exactly_zero():
    batch = tiny.batch()
    method = pskd.make(network=STUDENT, teachers={"teacher": TEACHER}, gate="none")
    frozen = teacher_variables(batch)
    params, state = jax.jit(method.init)(KEY, batch, frozen)
    gradient = jax.jit(jax.grad(method.loss, argnums=(0, 2), has_aux=True))
    (ours, theirs), _ = gradient(params, state, frozen, batch, KEY)
    assert any(np.any(leaf) for leaf in jax.tree.leaves(ours))
    assert jax.tree.leaves(theirs)
    for leaf in jax.tree.leaves(theirs):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


def recorder():
    """A method whose loss reports a draw from the key that it was given."""

    def loss(params, state, frozen, batch, key):
        return jnp.sum(params**2), (state, {"draw": jax.random.uniform(key)})

    init = lambda key, batch, frozen: (jnp.ones(3), {})
    return core.Method(init, loss, lambda params, state, batch: {})


def test_the_key_is_folded_with_the_step():
    method = recorder()
    state, update = start(method, {}, {}), step_of(method)
    for step in range(3):
        state, metrics = update(state, {}, {}, KEY)
        expected = jax.random.uniform(jax.random.fold_in(KEY, step))
        assert metrics["draw"] == expected


def test_donated_memory_changes_no_number():
    method, batch = distilled(), tiny.batch()
    frozen = teacher_variables(batch)
    state = start(method, batch, frozen)
    kept, _ = run(step_of(method), state, frozen, [batch] * 2)
    donated, _ = run(step_of(method, donate=True), state, frozen, [batch] * 2)
    tiny.assert_same(kept, donated)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(frozen))


def test_two_steps_and_two_more_are_four():
    method, batches = distilled(), [tiny.batch(seed) for seed in range(4)]
    frozen = teacher_variables(batches[0])
    state = start(method, batches[0], frozen)
    step = step_of(method)
    whole, metrics = run(step, state, frozen, batches)
    half, _ = run(step, state, frozen, batches[:2])
    resumed = jax.tree.map(jnp.asarray, tiny.copy(half))
    resumed, again = run(step, resumed, frozen, batches[2:])
    tiny.assert_same(whole, resumed)
    tiny.assert_same(metrics, again)


def test_eager_equals_jit():
    method, batch = supervised.make(network=tiny.network()), tiny.batch()
    state = start(method, batch, {}, optax.sgd(0.1))
    step = functools.partial(core.train_step, method, optax.sgd(0.1))
    eager = step(state, {}, batch, KEY)
    tiny.assert_close(eager, jax.jit(step)(state, {}, batch, KEY))


def test_one_compilation_serves_all_steps():
    method, traces = distilled(), []

    def counted(*args):
        traces.append(1)
        return method.loss(*args)

    step = step_of(method._replace(loss=counted), donate=True)
    batches = [tiny.batch(seed) for seed in range(4)]
    frozen = teacher_variables(batches[0])
    state = start(method, batches[0], frozen)
    run(step, state, frozen, batches)
    assert len(traces) == 1 and step._cache_size() == 1


def test_evaluation_leaves_the_train_state_alone():
    method, batch = plain(), tiny.batch()
    state = start(method, batch, {})
    before = tiny.copy(state)
    outputs = jax.jit(functools.partial(core.eval_step, method))(state, batch)
    assert outputs["logits"].shape == (8, tiny.CLASSES)
    tiny.assert_same(before, tiny.copy(state))


def test_the_clips_of_an_evaluation_are_averaged_as_probabilities():
    plain = tiny.network()
    several = plain._replace(clips=True)
    batch = tiny.batch()
    batch["inertial"] = jnp.stack([batch["inertial"], 2 * batch["inertial"]], axis=1)
    params, state = several.init(KEY, batch)
    out = jax.jit(several.infer)(params, state, batch)
    each = [
        plain.infer(params, state, {**batch, "inertial": batch["inertial"][:, clip]})
        for clip in (0, 1)
    ]
    mean = sum(jax.nn.softmax(one["logits"]) for one in each) / 2
    np.testing.assert_allclose(jnp.exp(out["logits"]), mean, atol=1e-6)
    features = sum(one["features"] for one in each) / 2
    np.testing.assert_allclose(out["features"], features, atol=1e-6)


def test_groups_normalise_by_their_own_statistics():
    network, batch = tiny.network(), tiny.batch()
    params, state = jax.jit(network.init)(KEY, batch)
    out, after = jax.jit(network._replace(groups=2).train)(params, state, batch, KEY)
    train = jax.jit(network.train)
    halves = [jax.tree.map(lambda x, n=n: x[n : n + 4], batch) for n in (0, 4)]
    parts = [train(params, state, half, KEY) for half in halves]
    (first, moved), (second, too) = parts
    together = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, second)
    tiny.assert_close(out, together, atol=1e-5, rtol=1e-5)
    tiny.assert_close(after, jax.tree.map(lambda a, b: (a + b) / 2, moved, too))
    whole, _ = train(params, state, batch, KEY)
    assert np.abs(out["logits"] - whole["logits"]).max() > 1e-3


def test_groups_draw_by_themselves():
    network = tiny.network(norm=False, dropout=0.5)
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), tiny.batch(rows=4))
    params, state = jax.jit(network.init)(KEY, twice)
    out, _ = jax.jit(network._replace(groups=2).train)(params, state, twice, KEY)
    first, second = out["logits"][:4], out["logits"][4:]
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize(("groups", "talks"), [(1, True), (8, False)])
def test_groups_of_a_device_each_need_no_word_between_them(groups, talks):
    mesh, batch = parallel.data_mesh(), tiny.batch(rows=16)
    network = tiny.network()._replace(groups=groups)
    params, state = jax.jit(network.init)(KEY, batch)

    def logits(params, state, batch):
        return network.train(params, state, batch, KEY)[0]["logits"]

    sharded = jax.device_put(batch, parallel.split_batch(mesh))
    arguments = *parallel.replicate((params, state), mesh), sharded
    program = jax.jit(logits).lower(*arguments).compile()
    assert ("all-reduce" in program.as_text()) == talks
    alone = jax.jit(logits)(params, state, batch)
    np.testing.assert_allclose(program(*arguments), alone, atol=1e-5)


def test_a_batch_that_does_not_divide_into_groups_is_refused():
    network, batch = tiny.network()._replace(groups=3), tiny.batch()
    params, state = jax.jit(network.init)(KEY, batch)
    with pytest.raises(ValueError, match="8 rows does not divide into 3 groups"):
        network.train(params, state, batch, KEY)


def test_inference_prepares_and_training_does_not():
    doubled = tiny.network()._replace(
        prepare=lambda batch: {**batch, "inertial": 2 * batch["inertial"]}
    )
    batch, plain = tiny.batch(), tiny.network()
    params, state = doubled.init(KEY, batch)
    twice = {**batch, "inertial": 2 * batch["inertial"]}
    tiny.assert_same(
        doubled.infer(params, state, batch), plain.infer(params, state, twice)
    )
    tiny.assert_same(
        doubled.train(params, state, batch, KEY), plain.train(params, state, batch, KEY)
    )

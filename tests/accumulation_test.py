"""A batch in parts: the same gradient, the memory of a part, and what sees only a part."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import accumulation, core, parallel
from kdjax.methods import distill, pskd, supervised
from tests import tiny

KEY = jax.random.key(5)
# Nothing but the loss looks across the rows of these networks.
STUDENT = tiny.network(norm=False)
TEACHER = supervised.make(network=tiny.network("skeleton", "inertial", norm=False))
TEACHERS = {"teacher": TEACHER}


@functools.cache
def compiled(method, parts):
    return jax.jit(accumulation.value_and_grad(method.loss, parts=parts))


@functools.cache
def start(method, rows=8):
    batch = tiny.batch(rows=rows)
    frozen = {"teacher": jax.jit(TEACHER.init)(jax.random.key(3), batch, {})}
    return *jax.jit(method.init)(KEY, batch, frozen), frozen


def gradient(method, batch, parts):
    """Loss, metrics and gradient; the state aside."""
    params, state, frozen = start(method)
    (value, (_, metrics)), grads = compiled(method, parts)(
        params, state, frozen, batch, KEY
    )
    return value, metrics, grads


PLAIN = supervised.make(network=STUDENT, label_smoothing=0.1)


# Rows 3 and 7 are a part of four: of five rows of padding they are two.
@pytest.mark.parametrize(("padding", "parts"), [(0, 4), (3, 4), (5, 4), (3, 8)])
def test_the_parts_of_an_uncoupled_loss_are_the_whole(padding, parts):
    batch = tiny.batch(padding=padding)
    whole = gradient(PLAIN, batch, 1)
    tiny.assert_close(gradient(PLAIN, batch, parts), whole, atol=1e-6, rtol=1e-6)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(whole[2])) > 1e-2


def test_padding_alone_has_no_gradient():
    value, _, grads = gradient(PLAIN, tiny.batch(padding=8), 4)
    assert value == 0.0
    for leaf in jax.tree.leaves(grads):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


def outputs(seed):
    """What a network might say of eight rows."""
    random = np.random.default_rng(seed)
    shapes = dict(logits=(8, 5), features=(8, 6))
    maps = tuple(random.normal(size=(8, steps, 6)) for steps in (8, 4, 2))
    made = {name: random.normal(size=shape) for name, shape in shapes.items()}
    return jax.tree.map(jnp.float32, {**made, "stages": maps})


@pytest.mark.parametrize("term", distill.TERMS)
def test_a_term_of_a_baseline_says_whether_it_is_coupled(term):
    batch, said = tiny.batch(padding=2), (outputs(1), outputs(2))

    def value(part):
        rows, (ours, theirs) = jax.tree.map(lambda x: x[part], (batch, said))
        adapt = lambda name, x, *shape: x
        each = distill.TERMS[term](ours, theirs, rows, adapt, distill.MAPS["sequences"])
        each = jnp.broadcast_to(each, rows["mask"].shape)
        return float(jnp.sum(each * rows["mask"]) / 6)

    # Three real rows in either half.
    halves = value(slice(0, None, 2)) + value(slice(1, None, 2))
    method = distill.make(
        network=STUDENT, teachers=TEACHERS, term=term, term_weight=1.0, adapter=object
    )
    agree = abs(value(slice(None)) - halves) < 1e-5
    assert method.coupled == (() if agree else (term,))


def test_a_term_of_no_weight_couples_nothing():
    options = dict(network=STUDENT, teachers=TEACHERS, term="relation")
    assert distill.make(**options).coupled == ()
    assert distill.make(**options, term_weight=2.0).coupled == ("relation",)


@pytest.mark.parametrize(
    ("gate", "coupled"), [("batch_loss", ("batch_loss",)), ("loss", ())]
)
def test_the_gate_of_pskd_says_whether_it_is_coupled(gate, coupled):
    method = pskd.make(network=STUDENT, teachers=TEACHERS, gate=gate)
    assert method.coupled == coupled


def stateful():
    """A loss that counts, draws, keeps a constant and remembers its rows' mean."""

    def loss(params, state, frozen, batch, key):
        draw, mean = jax.random.uniform(key), batch["x"].mean()
        state = {**state, "mean": state["mean"] / 2 + mean, "step": state["step"] + 1}
        return params * mean, (state, {"draw": draw, "kept": state["kept"]})

    return loss


def test_the_state_of_the_parts_is_averaged_and_counts_once():
    batch = {"x": jnp.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), "mask": jnp.ones(6)}
    state = {"mean": jnp.array(8.0), "step": jnp.array(7), "kept": jnp.array(0.1)}
    run = jax.jit(accumulation.value_and_grad(stateful(), parts=3))
    (_, (after, metrics)), _ = run(jnp.ones(()), state, {}, batch, KEY)
    # Rows 1 and 4, 2 and 5, 3 and 6: 8 / 2 and the mean of 2.5, 3.5 and 4.5.
    assert after["mean"] == pytest.approx(7.5)
    assert after["step"] == 8
    assert after["kept"] == state["kept"]
    draws = [jax.random.uniform(jax.random.fold_in(KEY, part)) for part in range(3)]
    assert metrics["draw"] == pytest.approx(float(np.mean(draws)))


def test_statistics_are_those_of_the_parts():
    network, batch = tiny.network(), tiny.batch()
    method = supervised.make(network=network)
    params, state = jax.jit(network.init)(KEY, batch)
    run = jax.jit(accumulation.value_and_grad(method.loss, parts=2))
    (_, (after, _)), _ = run(params, state, {}, batch, KEY)
    train = jax.jit(network.train)
    halves = [{name: x[part::2] for name, x in batch.items()} for part in range(2)]
    states = [train(params, state, half, KEY)[1] for half in halves]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *states)
    tiny.assert_close(after, mean)


def split(batch, mesh):
    return parallel.shard_batch({k: np.asarray(v) for k, v in batch.items()}, mesh)


def test_rows_stay_on_their_device():
    batch, mesh = tiny.batch(rows=32, padding=5), parallel.data_mesh()
    method = supervised.make(network=STUDENT)
    params, state, frozen = start(method, 32)
    step = jax.jit(accumulation.value_and_grad(method.loss, parts=4))
    params, state = parallel.replicate((params, state), mesh)
    arguments = params, state, {}, split(batch, mesh), KEY
    text = step.lower(*arguments).compile().as_text()
    assert "all-reduce" in text
    for moves in ("all-to-all", "all-gather", "collective-permute"):
        assert moves not in text
    (value, _), grads = step(*arguments)
    whole = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    (expected, _), wanted = whole(params, state, frozen, batch, KEY)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    tiny.assert_close(grads, wanted, atol=1e-6)


def test_parts_take_less_memory():
    method, batch = supervised.make(network=STUDENT), tiny.batch(rows=512, steps=64)
    params, state, _ = start(method)

    def temporary(parts):
        step = jax.jit(accumulation.value_and_grad(method.loss, parts=parts))
        program = step.lower(params, state, {}, batch, KEY).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert temporary(8) < temporary(1) / 3


def test_a_step_in_parts_is_the_step():
    optimizer, batch = optax.sgd(0.1), tiny.batch(padding=2)
    params, state, _ = start(PLAIN)
    zero = jnp.zeros((), jnp.int32)
    state = core.TrainState(zero, params, state, optimizer.init(params))

    def step(accumulate):
        run = functools.partial(
            core.train_step, PLAIN, optimizer, accumulate=accumulate
        )
        return jax.jit(run)(state, {}, batch, KEY)

    tiny.assert_close(step(4), step(1))


def test_parts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="no 0 parts"):
        accumulation.value_and_grad(PLAIN.loss, parts=0)
    message = "a batch of 8 rows does not divide into 3 parts"
    with pytest.raises(ValueError, match=message):
        gradient(PLAIN, tiny.batch(), 3)

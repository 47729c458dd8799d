import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import compiled
from kdjax import core, parallel
from kdjax.losses import graphs
from kdjax.methods import common, distill, pskd, rgb2ir, supervised
from tests import tiny
from tests.models import videos

KEY = jax.random.key(11)
# Under SGD of rate one the parameters move by the gradient itself.
OPTIMIZER = optax.sgd(1.0)
STUDENT = tiny.network(dropout=0.3)
TEACHERS = {"teacher": supervised.make(network=tiny.network("skeleton"))}


COUPLED = {
    "similarity": 1.0,
    "relation": 0.1,
    "correlation": 1.0,
    "correlation_kernel": 1.0,
}
"""Terms that relate the rows of a batch, with weights that keep gradients near one."""


def coupled_loss(params, state, frozen, batch, key):
    outputs, state = STUDENT.train(params, state, batch, key)
    taught = common.ask_teachers(TEACHERS, frozen, batch)["teacher"]
    terms = {
        # Both networks are of one width, so that no adapter is needed.
        name: distill.TERMS[name](
            outputs, taught, batch, lambda _, x: x, distill.MAPS["sequences"]
        )
        for name in COUPLED
    }
    return sum(COUPLED[name] * terms[name] for name in COUPLED), (state, terms)


FILMED = {"teacher": supervised.make(network=videos.network("rgb", width=6))}

METHODS = {
    "uncoupled": distill.make(
        network=STUDENT, teachers=TEACHERS, term="logit", term_weight=1.0, kl_weight=0.5
    ),
    "coupled": supervised.make(network=STUDENT)._replace(loss=coupled_loss),
    "batch_loss": pskd.make(network=STUDENT, teachers=TEACHERS, gate="batch_loss"),
    "graphs": rgb2ir.make(network=videos.network("ir"), teachers=FILMED),
}


def given(name):
    """Teachers and a batch for a method, one row a device."""
    if name == "graphs":
        return FILMED, videos.batch(rows=8, padding=2)
    return TEACHERS, tiny.batch(rows=8, padding=2)


@pytest.fixture(scope="module")
def meshes():
    devices = jax.devices()
    assert len(devices) == 8, "tests/conftest.py asks for eight devices"
    return parallel.data_mesh(devices[:1]), parallel.data_mesh(devices)


@pytest.mark.parametrize("name", METHODS)
def test_eight_devices_give_what_one_does(name, meshes, request):
    if name == "coupled":
        request.getfixturevalue("optimised")
    # A loss that saw its shard alone would have no pair to relate.
    method, (teachers, batch) = METHODS[name], given(name)
    frozen = {"teacher": jax.jit(teachers["teacher"].init)(KEY, batch, {})}
    init = functools.partial(core.init_state, method, OPTIMIZER)
    state = jax.jit(init)(KEY, batch, frozen)
    step = functools.partial(core.train_step, method, OPTIMIZER)
    alone, spread = (
        jax.jit(parallel.on(mesh, step))(
            parallel.replicate(state, mesh),
            parallel.replicate(frozen, mesh),
            parallel.shard_batch(batch, mesh),
            KEY,
        )
        for mesh in meshes
    )
    tiny.assert_close(alone, spread)
    for leaf in jax.tree.leaves(spread):
        assert leaf.sharding.is_fully_replicated
    metrics = spread[1]
    assert float(metrics["grad_norm"]) > 1e-2
    if name == "coupled":
        assert all(float(metrics[term]) > 1e-4 for term in COUPLED)


def test_graphs_of_a_global_batch_gather_no_stage(meshes):
    rng = np.random.default_rng(0)
    stages = {
        name: rng.normal(size=(8, 2, 8, 8, width)).astype(np.float32)
        for name, width in (("student", 64), ("teacher", 128))
    }

    def couple(stages):
        student, teacher = stages["student"], stages["teacher"]
        return graphs.graph_cross_attention([student], [teacher])[0]

    def made(mesh):
        told = parallel.on(mesh, jax.value_and_grad(couple))
        placed = parallel.shard_batch(stages, mesh)
        where = parallel.replicated(mesh), parallel.split_batch(mesh)
        program = jax.jit(told, out_shardings=where).lower(placed).compile()
        return program, program(placed)

    (_, alone), (program, spread) = map(made, meshes)
    tiny.assert_close(alone, spread)
    sent = compiled.collectives(compiled.parse(program.as_text()))
    # What a device keeps of its own rows for the seven others, and back: the segments'
    # mean of either network, and the student's gradient.
    means = sum(stage.nbytes // 2 for stage in stages.values())
    received = (means + stages["student"].nbytes // 2) // 8
    # This compiler sends the student's mean once more.
    assert received <= sent.pop("all-to-all")["bytes"] <= 1.25 * received
    assert sum(kind["bytes"] for kind in sent.values()) < received / 4


def test_the_train_state_stays_whole_and_is_compiled_once(meshes):
    _, mesh = meshes
    method = supervised.make(network=STUDENT)
    state = jax.jit(functools.partial(core.init_state, method, OPTIMIZER))(
        KEY, tiny.batch(), {}
    )
    state = parallel.replicate(state, mesh)
    step = jax.jit(
        functools.partial(core.train_step, method, OPTIMIZER), donate_argnums=0
    )
    for seed in range(3):
        batch = parallel.shard_batch(tiny.batch(seed), mesh)
        state, metrics = step(state, {}, batch, KEY)
    assert step._cache_size() == 1
    for leaf in jax.tree.leaves((state, metrics)):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == 8


def test_a_mesh_has_all_devices_by_default():
    mesh = parallel.data_mesh()
    assert dict(mesh.shape) == {"data": 8}
    assert list(mesh.devices.flat) == jax.devices()


def test_a_convolution_vmapped_over_views_runs_on_a_mesh(meshes):
    # It fails where the axis is Explicit, which is the default of `jax.make_mesh`.
    _, mesh = meshes
    views = np.random.default_rng(0).normal(size=(8, 2, 5, 3)).astype(np.float32)
    kernel = jnp.ones((3, 3, 4), jnp.float32)

    def convolve(x):
        dimensions = ("NTC", "TIO", "NTC")
        return jax.lax.conv_general_dilated(
            x, kernel, (1,), "SAME", dimension_numbers=dimensions
        )

    by_view = jax.jit(jax.vmap(convolve, in_axes=1))
    spread = parallel.shard_batch({"x": views}, mesh)["x"]
    np.testing.assert_allclose(by_view(spread), by_view(views), rtol=1e-6, atol=1e-6)


def test_a_batch_is_split_by_rows(meshes):
    _, mesh = meshes
    batch = tiny.batch(rows=16)
    spread = parallel.shard_batch(batch, mesh)
    assert spread.keys() == batch.keys()
    for name, array in spread.items():
        assert array.sharding == parallel.split_batch(mesh)
        np.testing.assert_array_equal(array, batch[name])
        for shard in array.addressable_shards:
            assert shard.data.shape == (2, *batch[name].shape[1:])


def test_host_arrays_are_taken_as_they_come(meshes):
    rows = {"label": np.arange(8, dtype=np.int32)}
    spread = parallel.shard_batch(rows, meshes[1])["label"]
    assert spread.dtype == jnp.int32
    np.testing.assert_array_equal(spread, rows["label"])


def test_views_are_split_where_they_divide():
    mesh = parallel.data_mesh(views=2)
    batch = {
        "rgb": np.zeros((8, 2, 3, 4, 4, 3), np.uint8),
        "depth": np.zeros((8, 1, 3, 4, 4, 1), np.uint8),
        "label": np.zeros(8, np.int32),
    }
    spread = parallel.shard_batch(batch, mesh)
    shapes = {k: v.addressable_shards[0].data.shape for k, v in spread.items()}
    assert shapes["rgb"] == (2, 1, 3, 4, 4, 3)
    assert (shapes["depth"], shapes["label"]) == ((2, 1, 3, 4, 4, 1), (2,))


def test_a_batch_that_does_not_divide_is_refused(meshes):
    with pytest.raises(ValueError, match="12 rows .* does not divide by 8 devices"):
        parallel.shard_batch(tiny.batch(rows=12), meshes[1])


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_replicated_is_a_copy_that_may_be_donated(number, meshes):
    mesh = meshes[number]
    original = {"x": jnp.arange(4.0)}
    whole = parallel.replicate(original, mesh)
    again = parallel.replicate(whole, mesh)
    assert len(again["x"].addressable_shards) == mesh.size
    for shard in again["x"].addressable_shards:
        np.testing.assert_array_equal(shard.data, np.arange(4.0))
    use_up = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    use_up(again)
    np.testing.assert_array_equal(whole["x"], np.arange(4.0))
    use_up(whole)
    np.testing.assert_array_equal(original["x"], np.arange(4.0))

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import skeletons
from kdjax.interop.variables import flatten
from kdjax.models import agcn
from tests.golden import fill

GOLDEN = Path(__file__).parent.parent / "golden" / "agcn__utd.npz"
RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def tiny(**options):
    return agcn.Model(5, width=4, blocks=(1, 1), hidden=8, **options)


def shapes(model, *streams):
    """Shapes of variables and outputs; nothing is computed."""
    variables = jax.eval_shape(
        lambda *x: model.init(jax.random.key(0), *x, train=False), *streams
    )
    outputs = jax.eval_shape(
        lambda v, *x: model.apply(v, *x, train=False), variables, *streams
    )
    return variables, jax.tree.map(lambda x: x.shape, outputs)


def count(variables):
    return sum(x.size for x in jax.tree.leaves(variables["params"]))


def filled(shapes):
    """Random values for shapes, variances positive; no initialiser is compiled."""
    return jax.tree.map(lambda s: jnp.abs(array(*s.shape)) + 0.1, shapes)


@pytest.fixture(scope="module")
def trained():
    """A tiny network, its variables and two clips of two persons."""
    model, x = tiny(), array(2, 9, 2, 20, 3)
    return model, filled(shapes(model, x)[0]), x


def test_the_published_network_has_the_published_size():
    variables, _ = shapes(agcn.Model(27, hidden=0), array(1, 8, 1, 20, 3))
    with np.load(GOLDEN) as file:
        weights = fill.load_meta(file)["weights"]
    sizes = {k: int(np.prod(s)) for k, s in weights.items() if "running" not in k}
    assert count(variables) == sum(sizes.values()) == 3_454_099


def test_stages_and_head_have_the_contract_shapes():
    _, out = shapes(agcn.Model(27), array(3, 130, 2, 20, 3))
    assert out["logits"] == (3, 27)
    assert out["features"] == out["hidden"] == (3, 256)
    assert out["stages"] == (
        (3, 2, 130, 20, 64),
        (3, 2, 130, 20, 64),
        (3, 2, 65, 20, 128),
        (3, 2, 33, 20, 256),
    )


@pytest.mark.parametrize("name", skeletons.TOPOLOGIES)
def test_any_topology(name):
    joints = len(skeletons.get(name).joints)
    _, out = shapes(tiny(topology=name), array(2, 8, 1, joints, 2))
    assert out["stages"] == ((2, 1, 8, joints, 4), (2, 1, 4, joints, 8))


def test_initialisation_is_the_published_one():
    model = agcn.Model(27, width=32, blocks=(1, 1), hidden=0)
    x = jnp.zeros((1, 2, 1, 20, 3))
    flat = flatten(jax.jit(lambda: model.init(jax.random.key(1), x, train=False))())
    np.testing.assert_array_equal(
        flat["params/block2/graph/norm/scale"], np.float32(1e-6)
    )
    np.testing.assert_array_equal(flat["params/block2/graph/offset"], np.float32(1e-6))
    np.testing.assert_array_equal(flat["params/block2/time_norm/scale"], 1.0)
    expected = {
        "params/block2/graph/theta1/kernel": 2 / 16,
        "params/block2/graph/transform1/kernel": 2 / (64 * 32 * 3),
        "params/block2/graph/down/kernel": 2 / 64,
        "params/block2/time/kernel": 2 / (64 * 9),
        "params/head/fc1/kernel": 2 / 27,
    }
    for name, variance in expected.items():
        # 512 draws or more: the sample deviation is within 10 % (over 3 sigma).
        assert np.std(flat[name]) == pytest.approx(variance**0.5, rel=0.1), name


def test_at_first_the_graph_is_silent_and_the_skip_passes():
    unit, x = agcn.GraphUnit(4), jnp.abs(array(2, 20, 6, 4))
    graph = skeletons.adjacency(skeletons.get("kinect_v1"))
    y, _ = unit.init_with_output(jax.random.key(0), x, graph, train=False)
    np.testing.assert_allclose(y, x, atol=1e-4)


def test_persons_change_places_in_maps_and_not_in_features(trained):
    model, variables, x = trained

    def alike(path, leaf):
        """Both persons' coordinates are normalised alike."""
        name = jax.tree_util.keystr(path)
        return jnp.tile(leaf[:60], 2) if "input_norm" in name else leaf

    variables = jax.tree_util.tree_map_with_path(alike, variables)
    apply = jax.jit(lambda x: model.apply(variables, x, train=False))
    one, other = apply(x), apply(x[:, :, ::-1])
    np.testing.assert_allclose(one["features"], other["features"], rtol=1e-5)
    for a, b in zip(one["stages"], other["stages"]):
        np.testing.assert_allclose(a, b[:, ::-1], rtol=1e-5, atol=1e-6)
    assert np.ptp(one["stages"][0], axis=1).max() > 0.1


def test_features_are_the_mean_of_the_last_map(trained):
    model, variables, x = trained
    out = jax.jit(lambda x: model.apply(variables, x, train=False))(x)
    mean = out["stages"][-1].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(out["features"], mean, rtol=1e-5)


def test_jit_equals_eager(trained):
    model, variables, x = trained
    eager = model.apply(variables, x, train=False)
    jitted = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        eager,
        jitted,
    )


def test_training_updates_statistics_and_zeros_give_finite_gradients(trained):
    model, variables, x = trained

    @jax.jit
    def run(params, x):
        def loss(params):
            out, new = model.apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sum(out["logits"] ** 2), new["batch_stats"]

        return jax.grad(loss, has_aux=True)(params)

    _, new = run(variables["params"], x)
    mean = np.asarray(x).mean(axis=(0, 1)).reshape(-1)
    old = variables["batch_stats"]
    expected = 0.9 * old["input_norm"]["mean"] + 0.1 * mean
    np.testing.assert_allclose(new["input_norm"]["mean"], expected, rtol=1e-5)
    changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), old, new)
    assert all(jax.tree.leaves(changed))
    gradients, _ = run(variables["params"], jnp.zeros_like(x))
    for name, gradient in flatten(gradients).items():
        assert np.isfinite(gradient).all(), name


def test_fused_channels_stand_at_every_joint():
    skeleton, sensor = array(2, 5, 2, 20, 3), array(2, 5, 6)
    body = skeletons.get("kinect_v1")
    x, topology = agcn.fuse(skeleton, sensor, body, fusion="channels")
    assert topology == body
    np.testing.assert_array_equal(x[..., :3], skeleton)
    for person in range(2):
        for joint in range(20):
            np.testing.assert_array_equal(x[:, :, person, joint, 3:], sensor)


@pytest.mark.parametrize("fusion", skeletons.PLACEMENTS)
def test_appended_sensors_are_nodes_of_every_person(fusion):
    skeleton, sensor = array(2, 5, 2, 20, 3), array(2, 5, 6)
    body = skeletons.get("kinect_v1")
    x, topology = agcn.fuse(skeleton, sensor, body, fusion=fusion)
    assert topology == skeletons.with_sensors(body, count=2, placement=fusion)
    np.testing.assert_array_equal(x[:, :, :, :20], skeleton)
    for person in range(2):
        np.testing.assert_array_equal(x[:, :, person, 20], sensor[..., :3])
        np.testing.assert_array_equal(x[:, :, person, 21], sensor[..., 3:])


@pytest.mark.parametrize(
    ("fusion", "joints", "channels"),
    [("channels", 20, 6), ("append_center", 21, 3), ("append_right", 21, 3)],
)
def test_a_fused_network(fusion, joints, channels):
    variables, out = shapes(tiny(fusion=fusion), array(2, 8, 1, 20, 3), array(2, 8, 3))
    assert out["stages"][0] == (2, 1, 8, joints, 4)
    kernel = variables["params"]["block1"]["graph"]["theta0"]["kernel"]
    assert kernel.shape == (channels, 1)


@pytest.mark.parametrize(
    ("options", "streams", "message"),
    [
        ({"fusion": "late"}, [(1, 8, 1, 20, 3)], "no fusion 'late'"),
        ({}, [(1, 8, 1, 20, 3), (1, 8, 3)], "stream is given"),
        ({"fusion": "channels"}, [(1, 8, 1, 20, 3)], "stream is missing"),
        ({"fusion": "channels"}, [(1, 8, 1, 20, 3), (1, 9, 3)], "differ in batch"),
        ({"fusion": "append_right"}, [(1, 8, 1, 20, 3), (1, 8, 4)], "make no nodes"),
        ({}, [(1, 8, 1, 25, 3)], "25 joints, kinect_v1 has 20"),
        ({"topology": "hand"}, [(1, 8, 1, 20, 3)], "no topology 'hand'"),
    ],
)
def test_streams_that_do_not_fit_are_refused(options, streams, message):
    with pytest.raises(ValueError, match=message):
        shapes(tiny(**options), *[array(*shape) for shape in streams])


def test_a_width_without_quarters_is_refused():
    with pytest.raises(ValueError, match="width is 6"):
        shapes(agcn.Model(5, width=6), array(1, 8, 1, 20, 3))

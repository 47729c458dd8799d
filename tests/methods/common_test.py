import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.core import Network
from kdjax.methods import common, supervised
from tests import tiny

KEY = jax.random.key(2)


def test_the_mean_counts_real_rows_alone():
    batch = {"mask": jnp.array([1.0, 0.0, 1.0, 0.0])}
    # (2 + 4) / 2
    assert common.masked_mean(jnp.array([2.0, 1e9, 4.0, -1e9]), batch) == 3.0


def test_the_mean_of_padding_alone_is_zero():
    batch = {"mask": jnp.zeros(3)}
    value, gradient = jax.value_and_grad(common.masked_mean)(jnp.ones(3), batch)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, np.zeros(3))


def test_the_target_is_the_label_smoothed():
    batch = {"label": jnp.array([2, 0])}
    # 0.2 of the mass over four classes, 0.8 on the label.
    expected = [[0.05, 0.05, 0.85, 0.05], [0.85, 0.05, 0.05, 0.05]]
    np.testing.assert_allclose(common.target(batch, 4, 0.2), expected, rtol=1e-6)
    np.testing.assert_array_equal(common.target(batch, 4), np.eye(4)[[2, 0]])


def test_the_target_of_a_mixture_is_smoothed_too():
    batch = {"label": jnp.array([1]), "target": jnp.array([[0.4, 0.6]])}
    np.testing.assert_allclose(common.target(batch, 2), [[0.4, 0.6]])
    # 0.5 * 0.4 + 0.5 / 2 and 0.5 * 0.6 + 0.5 / 2
    np.testing.assert_allclose(common.target(batch, 2, 0.5), [[0.45, 0.55]], rtol=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"label_smoothing is {smoothing}"):
        common.target({"label": jnp.array([1])}, 4, smoothing)


def test_the_batch_is_reduced_to_a_loss_and_its_terms():
    batch = {"label": jnp.array([0, 1, 1]), "mask": jnp.array([1.0, 1.0, 0.0])}
    logits = jnp.array([[2.0, 1.0], [3.0, 1.0], [0.0, 9.0]])
    terms = {"ce": jnp.array([1.0, 2.0, 50.0]), "x": jnp.array([0.0, 4.0, 50.0])}
    total, metrics = common.reduce(jnp.array([5.0, 7.0, 50.0]), terms, logits, batch)
    # Means over the first two rows, of which the first is right.
    expected = {"loss": 6.0, "ce": 1.5, "x": 2.0, "accuracy": 0.5}
    assert {name: float(value) for name, value in metrics.items()} == expected
    assert total == 6.0


def zeroed(key, batch):
    return {**batch, "inertial": jnp.zeros_like(batch["inertial"])}


def test_the_network_sees_the_augmented_batch_and_so_does_who_asks_next():
    network, batch = tiny.network(norm=False), tiny.batch()
    params, state = jax.jit(network.init)(KEY, batch)
    outputs, _, seen = common.forward(network, zeroed, params, state, batch, KEY)
    plain, _, same = common.forward(network, None, params, state, batch, KEY)
    assert not np.any(seen["inertial"]) and same is batch
    expected = jax.jit(network.infer)(params, state, seen)["logits"]
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-6)
    assert not np.allclose(plain["logits"], expected, atol=1e-3)


def test_augmentation_and_dropout_draw_from_different_keys():
    drawn = []

    def augment(key, batch):
        drawn.append(key)
        return batch

    class Recorder:
        def apply(self, variables, *streams, rngs, **options):
            drawn.append(rngs["dropout"])
            return {}, {}

    common.forward(Network(Recorder(), ()), augment, {}, {}, {}, KEY)
    augmented, dropped = map(jax.random.key_data, drawn)
    assert not np.array_equal(augmented, dropped)
    assert not np.array_equal(augmented, jax.random.key_data(KEY))


def test_teachers_answer_by_role_in_inference_mode():
    batch = tiny.batch()
    roles = {"b_skeleton": "skeleton", "a_sensor": "inertial"}
    networks = {role: tiny.network(name, dropout=0.9) for role, name in roles.items()}
    teachers = {r: supervised.make(network=n) for r, n in networks.items()}
    frozen = {r: jax.jit(t.init)(KEY, batch, {}) for r, t in teachers.items()}
    taught = common.ask_teachers(teachers, frozen, batch)
    assert set(taught) == set(roles)
    for role, outputs in taught.items():
        expected = networks[role].infer(*frozen[role], batch)
        tiny.assert_close(outputs, expected)


def test_a_teacher_without_variables_is_named():
    teachers = dict.fromkeys(
        ("seen", "unseen"), supervised.make(network=tiny.network())
    )
    with pytest.raises(KeyError, match=r"teachers \['unseen'\], only \['seen'\]"):
        common.ask_teachers(teachers, {"seen": ({}, {})}, tiny.batch())


def test_adapters_are_not_deployed():
    variables = {"Dense_0": 1, common.ADAPTERS: {"student": 2}}
    assert common.deployed(variables) == {"Dense_0": 1}
    assert common.deployed({"Dense_0": 1}) == {"Dense_0": 1}


def test_outputs_that_travel_come_back_as_the_network_gave_them():
    outputs = {"logits": jnp.ones(3), "stages": (jnp.zeros(2), jnp.ones(2)), "x": 1}
    flat = common.flat_outputs(outputs, ("logits", "stages"))
    assert sorted(flat) == ["logits", "stages/0", "stages/1"]
    batch = {common.stored_key("teacher", name): v for name, v in flat.items()}
    got = common.stored_outputs({**batch, "label": 0}, "teacher")
    assert sorted(got) == ["logits", "stages"] and isinstance(got["stages"], tuple)
    assert got["stages"][1] is outputs["stages"][1]
    assert common.stored_outputs(batch, "teacher_skeleton") == {}
    with pytest.raises(KeyError, match="no 'maps'"):
        common.flat_outputs(outputs, ("maps",))

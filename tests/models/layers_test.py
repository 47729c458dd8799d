import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from kdjax.models import layers

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def test_batch_norm_keeps_nine_tenths_and_the_biased_variance():
    x = array(3, 4, 5)
    norm = layers.batch_norm(True, "norm")
    y, variables = norm.init_with_output(jax.random.key(0), x)
    mean, var = np.mean(x, axis=(0, 1)), np.var(x, axis=(0, 1))
    expected = (x - mean[None, None]) / np.sqrt(var + 1e-5)[None, None]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    _, new = norm.apply(variables, x, mutable=["batch_stats"])
    np.testing.assert_allclose(new["batch_stats"]["mean"], 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(new["batch_stats"]["var"], 0.9 + 0.1 * var, rtol=1e-5)


def test_on_rows_is_the_layer_itself():
    x, dense = array(2, 3, 4, 5), nn.Dense(6)
    variables = dense.init(jax.random.key(0), x)
    y = layers.on_rows(dense.bind(variables), x)
    np.testing.assert_allclose(y, dense.apply(variables, x), atol=1e-6)


def test_streams_stand_side_by_side():
    skeleton, sensor = array(2, 4, 1, 20, 3), array(2, 4, 3)
    x = layers.concatenate([skeleton, sensor])
    assert x.shape == (2, 4, 63)
    np.testing.assert_array_equal(x[..., 3:6], skeleton[:, :, 0, 1])
    np.testing.assert_array_equal(x[..., 60:], sensor)


@pytest.mark.parametrize("shapes", [[], [(2, 4, 3), (2, 5, 3)], [(2,)]])
def test_streams_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="streams must be"):
        layers.concatenate([array(*shape) for shape in shapes])


@pytest.mark.parametrize("hidden", [7, 0, None])
def test_the_head_reads_what_its_hidden_layer_says(hidden):
    x, head = array(3, 6), layers.Head(4, hidden)
    variables = head.init(jax.random.key(0), x, [x], train=False)
    out = head.apply(variables, x, [x], train=False)
    params = variables["params"]
    expected = read = x
    if hidden:
        expected = x @ params["fc0"]["kernel"]
        read = jnp.maximum(expected, 0.0)
        assert (expected < 0).any()
    np.testing.assert_allclose(out["hidden"], expected, atol=1e-6)
    np.testing.assert_allclose(out["logits"], read @ params["fc1"]["kernel"], atol=1e-5)
    np.testing.assert_array_equal(out["features"], x)
    assert set(params) == ({"fc0", "fc1"} if hidden else {"fc1"})
    assert len(out["stages"]) == 1


def test_dropout_is_random_in_training_only():
    x, head = jnp.ones((3, 6)), layers.Head(4, 64, dropout=0.5)
    variables = head.init(jax.random.key(0), x, [], train=False)

    def logits(train, seed):
        rngs = {"dropout": jax.random.key(seed)}
        return head.apply(variables, x, [], train=train, rngs=rngs)["logits"]

    np.testing.assert_array_equal(logits(True, 1), logits(True, 1))
    assert np.abs(logits(True, 1) - logits(True, 2)).max() > 1e-3
    np.testing.assert_array_equal(logits(False, 1), logits(False, 2))

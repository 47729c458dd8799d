import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models.temporal import Temporal, masked_max, masked_mean
from kdjax.models.transformer import Layer
from tests.models.scenes import array, filled, lengthen, run

THERE = jnp.array([[[1, 1], [0, 1]], [[0, 0], [0, 1]], [[1, 0], [1, 1]]], bool)


@pytest.mark.parametrize(
    ("pool", "reduce"), [(masked_mean, np.mean), (masked_max, np.max)]
)
def test_padding_is_pooled_by_none(pool, reduce):
    x = array(3, 2, 2, 4) - 5.0
    got = jax.jit(pool)(x, THERE)
    for b in range(3):
        for t in range(2):
            kept = [x[b, n, t] for n in range(2) if THERE[b, n, t]]
            expected = reduce(kept, axis=0) if kept else np.zeros(4)
            np.testing.assert_allclose(got[b, t], expected, rtol=1e-6)


@pytest.mark.parametrize("pool", [masked_mean, masked_max])
def test_padding_has_a_gradient_of_zero(pool):
    x = array(3, 2, 2, 4).at[0, 1, 0].set(1e30)
    gradient = jax.jit(jax.grad(lambda x: (pool(x, THERE) ** 2).sum()))(x)
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[~np.asarray(THERE)] == 0).all()
    assert (np.abs(gradient).sum(axis=(0, 1, 2)) > 0).all()


def temporal(depth=2, **options):
    return Temporal(depth, functools.partial(Layer, 2), **options)


@pytest.fixture(scope="module")
def variables():
    return filled(temporal(), array(1, 5, 8), jnp.ones((1, 5), bool))


def test_padding_is_read_by_none(variables):
    x, there = array(2, 3, 5, 8), jnp.ones((2, 3, 5), bool).at[1, 1, 2].set(False)
    token, tokens = run(temporal(), variables, x, there)
    assert token.shape == (2, 3, 8)
    more = lengthen(x.at[1, 1, 2].set(7.0), 2, 3, 100.0)
    longer = lengthen(there, 2, 3, False)
    padded_token, padded = run(temporal(), variables, more, longer)
    np.testing.assert_allclose(padded_token, token, atol=1e-5)
    kept = np.asarray(there)
    got = np.asarray(padded[:, :, :5])[kept]
    np.testing.assert_allclose(got, np.asarray(tokens)[kept], atol=1e-5)


@pytest.mark.parametrize("positions", [True, False])
def test_order_counts_where_positions_are_added(variables, positions):
    model, there = temporal(positions=positions), jnp.ones((2, 5), bool)
    x, order = array(2, 5, 8), np.array([3, 1, 4, 0, 2])
    token, tokens = run(model, variables, x, there)
    other_token, other = run(model, variables, x[:, order], there)
    same = np.allclose(other, tokens[:, order], atol=1e-5)
    assert same == np.allclose(other_token, token, atol=1e-5) == (not positions)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_first_layer_is_never_skipped(depth):
    model, there = temporal(depth, drop_path=0.5), jnp.ones((4, 5), bool)
    x = array(4, 5, 8)
    variables = filled(model, x, there)

    def tokens(key, train):
        rngs = {"dropout": key}
        return model.apply(variables, x, there, train=train, rngs=rngs)[1]

    got, expected = (
        jax.jit(tokens, static_argnums=1)(jax.random.key(0), train)
        for train in (True, False)
    )
    assert np.allclose(got, expected, atol=1e-5) == (depth == 1)

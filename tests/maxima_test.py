import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import maxima


def test_the_larger_has_the_value_and_the_gradient():
    x = jnp.array([1.0, 2.0, 3.0, jnp.nan, 1.0])
    y = jnp.array([2.0, 2.0, 1.0, 1.0, jnp.nan])
    value, pull = jax.vjp(maxima.larger, x, y)
    np.testing.assert_array_equal(value, np.maximum(x, y))
    ours, theirs = pull(jnp.arange(1.0, 6.0))
    np.testing.assert_array_equal(ours, [0, 2, 3, 4, 0])
    np.testing.assert_array_equal(theirs, [1, 0, 0, 0, 5])


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_the_largest_has_the_value_and_the_gradient(axis):
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    x[:2, 2, 3] = 9.0
    value, pull = jax.vjp(lambda x: maxima.largest(x, axis), x)
    np.testing.assert_array_equal(value, np.max(x, axis))
    (gradient,) = pull(2.0 * jnp.ones_like(value))
    first = np.argmax(x, axis, keepdims=True)
    expected = np.zeros(x.shape)
    np.put_along_axis(expected, first, 2.0, axis)
    np.testing.assert_array_equal(gradient, expected)

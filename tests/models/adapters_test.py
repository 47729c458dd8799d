import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import adapters

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def test_geometry_is_fitnets():
    # Kernel, stride, padding, dilation of the input: conv 3/2/1 for twice the size, a
    # transposed convolution 4/2/1 for half of it, else what a valid one removes.
    assert adapters.geometry(8, 4) == (3, 2, 1, 1)
    assert adapters.geometry(4, 8) == (4, 1, 2, 2)
    assert adapters.geometry(16, 64) == (8, 1, 5, 4)
    assert adapters.geometry(7, 7) == (1, 1, 0, 1)
    assert adapters.geometry(7, 4) == (4, 1, 0, 1)


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((8,), (4,)),
        ((4,), (8,)),
        ((3,), (9,)),
        ((4,), (16,)),
        ((7,), (3,)),
        ((1,), (2,)),
        ((6, 4), (3, 8)),
        ((2, 6, 5), (2, 3, 5)),
    ],
)
def test_a_map_takes_the_targets_shape(shape, target):
    model, x = adapters.ConvRegressor(6, target), array(2, *shape, 5)
    y, variables = model.init_with_output(jax.random.key(0), x, train=False)
    assert y.shape == (2, *target, 6)
    assert (y >= 0).all()
    assert set(variables) == {"params", "batch_stats"}


def regress(model, kernel, x):
    """The convolution alone: stored statistics and gains of one, before the ReLU."""
    variables = model.init(jax.random.key(0), x, train=False)
    (conv,) = set(variables["params"]) - {"norm"}
    params = {**variables["params"], conv: {"kernel": kernel, "bias": jnp.zeros(3)}}
    variables = {**variables, "params": params}
    return model.apply(variables, x, train=False) * np.sqrt(1 + 1e-5)


@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_upsampling_is_pytorchs_transposed_convolution(ratio):
    """Each input is spread over the kernel, ``y[r i + k - p] += x[i] w[k]``."""
    steps, padding = 5, ratio // 2
    weight = RNG.standard_normal((ratio + 2 * padding, 2, 3))
    x = RNG.standard_normal((1, steps, 2))
    expected = np.zeros((1, ratio * steps, 3))
    for i in range(steps):
        for k in range(len(weight)):
            if 0 <= ratio * i + k - padding < ratio * steps:
                expected[:, ratio * i + k - padding] += x[:, i] @ weight[k]
    model = adapters.ConvRegressor(3, (ratio * steps,))
    flipped = jnp.asarray(weight[::-1], jnp.float32)
    got = regress(model, flipped, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, np.maximum(expected, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "target", "stride", "padding"), [(8, 4, 2, 1), (7, 5, 1, 0)]
)
def test_downsampling_is_a_plain_convolution(size, target, stride, padding):
    weight = RNG.standard_normal((3, 2, 3))
    x = RNG.standard_normal((1, size, 2))
    expected = np.zeros((1, target, 3))
    for t in range(target):
        for k in range(3):
            if 0 <= stride * t + k - padding < size:
                expected[:, t] += x[:, stride * t + k - padding] @ weight[k]
    model = adapters.ConvRegressor(3, (target,))
    kernel = jnp.asarray(weight, jnp.float32)
    got = regress(model, kernel, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, np.maximum(expected, 0), atol=1e-5)


def test_training_normalises_by_the_batch():
    model, x = adapters.ConvRegressor(3, (4,)), array(5, 8, 2)
    variables = model.init(jax.random.key(0), x, train=False)
    y, new = model.apply(variables, x, train=True, mutable=["batch_stats"])
    assert np.abs(new["batch_stats"]["norm"]["mean"]).max() > 0
    # A normalised value is below zero, and so cut, about half of the time.
    assert 0.2 < np.mean(y == 0) < 0.8


def test_maps_that_fit_none_are_refused():
    with pytest.raises(ValueError, match="takes 4 positions to 7"):
        adapters.ConvRegressor(3, (7,)).init(
            jax.random.key(0), array(1, 4, 2), train=False
        )
    with pytest.raises(ValueError, match="cannot meet"):
        adapters.ConvRegressor(3, (4, 4)).init(
            jax.random.key(0), array(1, 4, 2), train=False
        )


def test_an_embedding_has_unit_length_if_asked():
    x = array(3, 4, 5)
    unit, variables = adapters.Embed(6).init_with_output(
        jax.random.key(0), x, train=True
    )
    np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1, rtol=1e-5)
    plain = adapters.Embed(6, normalise=False).apply(variables, x)
    kernel = variables["params"]["linear"]["kernel"]
    np.testing.assert_allclose(plain, x.reshape(3, 20) @ kernel, atol=1e-5)
    np.testing.assert_allclose(
        unit, plain / np.linalg.norm(plain, axis=-1, keepdims=True), atol=1e-5
    )


def test_a_zero_vector_has_a_finite_gradient():
    model = adapters.Embed(2)
    variables = model.init(jax.random.key(0), array(1, 3))
    gradient = jax.grad(lambda x: model.apply(variables, x).sum())(jnp.zeros((1, 3)))
    assert np.isfinite(gradient).all()

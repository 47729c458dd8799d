import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import projection

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def size(model, features):
    x = jax.ShapeDtypeStruct((2, features), jnp.float32)
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), x
    )
    return sum(x.size for x in jax.tree.leaves(variables["params"]))


def test_sizes_are_simsiams():
    # 1024 512 + 2 512 + 512 1024 + 1024, and without gain or bias in the last layer
    # 2 (1024 1024 + 2 1024) + 1024 2048.
    assert size(projection.Predictor(), 1024) == 1_050_624
    assert size(projection.Projector(), 1024) == 4_198_400


def normalised(z):
    return (z - z.mean((0, 1))) / np.sqrt(z.var((0, 1)) + 1e-5)


@pytest.fixture
def views():
    """Features of three views of seven clips."""
    return array(3, 7, 6)


def test_the_predictor_is_its_formula(views):
    model = projection.Predictor(hidden=4)
    variables = model.init(jax.random.key(0), views, train=False)
    variables = jax.tree.map(lambda a: a + 0.1, variables)
    y, new = model.apply(variables, views, train=True, mutable=["batch_stats"])
    p = jax.tree.map(np.asarray, variables["params"])
    z = normalised(np.asarray(views) @ p["fc0"]["kernel"])
    z = np.maximum(z * p["norm0"]["scale"] + p["norm0"]["bias"], 0)
    expected = z @ p["fc1"]["kernel"] + p["fc1"]["bias"]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert (y < 0).any()
    assert "bias" not in p["fc0"]
    assert set(new["batch_stats"]) == {"norm0"}


def test_the_projector_is_its_formula(views):
    model = projection.Projector(features=5)
    variables = model.init(jax.random.key(0), views, train=False)
    y, _ = model.apply(variables, views, train=True, mutable=["batch_stats"])
    p, z = jax.tree.map(np.asarray, variables["params"]), np.asarray(views)
    for i in range(2):
        z = np.maximum(normalised(z @ p[f"fc{i}"]["kernel"]), 0)
    expected = normalised(z @ p["fc2"]["kernel"])
    np.testing.assert_allclose(y, expected, atol=1e-4)
    assert "norm2" not in p
    assert all("bias" not in p[f"fc{i}"] for i in range(3))


@pytest.mark.parametrize("model", [projection.Predictor(4), projection.Projector(5)])
def test_zeros_give_finite_gradients(model):
    x = jnp.zeros((4, 6))
    variables = model.init(jax.random.key(0), x, train=False)

    def loss(params, x):
        y, _ = model.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
        )
        return jnp.sum(y**2)

    gradients = jax.grad(loss, argnums=(0, 1))(variables["params"], x)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))

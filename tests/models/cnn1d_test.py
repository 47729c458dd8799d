import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import cnn1d

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def size(model, *streams):
    variables = jax.eval_shape(
        lambda *x: model.init(jax.random.key(0), *x, train=False), *streams
    )
    return sum(x.size for x in jax.tree.leaves(variables["params"]))


def test_the_student_has_a_quarter_of_a_million_parameters():
    # 7 (3 64 + 64 64 + 64 128 + 128 128) in convolutions, 2 (64 + 64 + 128 + 128) in
    # normalisations, 129 256 in fc0 and 257 27 in fc1.
    assert size(cnn1d.Model(27), array(1, 16, 3)) == 202_048 + 768 + 33_024 + 6_939
    assert size(cnn1d.Model(27), array(1, 16, 1, 20, 3), array(1, 16, 3)) == 269_659


def slow_forward(variables, x, kernel):
    """Convolution, stored normalisation, ReLU and pooling, one number at a time."""
    params, stats = variables["params"], variables["batch_stats"]
    stages = []
    for i in range(1, len(stats) + 1):
        w, norm, stat = (
            params[f"conv{i}"]["kernel"],
            params[f"norm{i}"],
            stats[f"norm{i}"],
        )
        batch, steps, _ = x.shape
        y = np.zeros((batch, steps, w.shape[-1]))
        for t in range(steps):
            for tap in range(kernel):
                if 0 <= t + tap - kernel // 2 < steps:
                    y[:, t] += x[:, t + tap - kernel // 2] @ w[tap]
        y = (y - stat["mean"]) / np.sqrt(stat["var"] + 1e-5)
        y = np.maximum(y * norm["scale"] + norm["bias"], 0)
        x = np.stack([y[:, 2 * t : 2 * t + 2].max(1) for t in range(steps // 2)], 1)
        stages.append(x)
    return stages, x.mean(1)


def test_forward_is_that_of_a_slow_loop():
    model, x = cnn1d.Model(3, widths=(4, 6), kernel=5, hidden=8), array(2, 11, 3)
    variables = model.init(jax.random.key(0), x, train=False)
    variables = jax.tree.map(lambda a: np.asarray(a) + 0.1, variables)
    out = model.apply(variables, x, train=False)
    stages, features = slow_forward(variables, np.asarray(x, np.float64), 5)
    for got, expected in zip(out["stages"], stages, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out["features"], features, rtol=1e-4, atol=1e-5)
    assert out["logits"].shape == (2, 3)
    assert out["hidden"].shape == (2, 8)


@pytest.mark.parametrize("steps", [8, 9])
def test_halving_is_max_pooling_with_its_gradient(steps):
    x, g = array(2, steps, 3), array(2, 4, 3)
    ours, pull = jax.vjp(cnn1d.halve, x)
    theirs, push = jax.vjp(lambda x: nn.max_pool(x, (2,), strides=(2,)), x)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(pull(g)[0], push(g)[0])


def test_jit_equals_eager_and_zeros_give_finite_gradients():
    model, x = cnn1d.Model(3, widths=(4, 4), hidden=4, dropout=0.5), array(2, 8, 3)
    variables = model.init(jax.random.key(0), x, train=False)

    def loss(params, x):
        out, new = model.apply(
            {**variables, "params": params},
            x,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(1)},
        )
        return jnp.sum(out["logits"] ** 2), new

    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    jitted, _ = gradient(variables["params"], x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        loss(variables["params"], x),
        jitted,
    )
    _, gradients = gradient(variables["params"], jnp.zeros_like(x))
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="kernel is 4"):
        size(cnn1d.Model(3, kernel=4), array(1, 16, 3))
    with pytest.raises(ValueError, match="15 steps cannot be shrunk 16 times"):
        size(cnn1d.Model(3), array(1, 15, 3))

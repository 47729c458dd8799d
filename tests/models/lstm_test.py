import jax
import jax.numpy as jnp
import numpy as np

from kdjax.models import lstm

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow_lstm(cell, x):
    """The recurrence of Hochreiter and Schmidhuber with a forget gate, step by step."""
    width = cell["hi"]["kernel"].shape[0]
    h = c = np.zeros((x.shape[0], width))
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = (
            x[:, t] @ cell[f"i{k}"]["kernel"]
            + h @ cell[f"h{k}"]["kernel"]
            + cell[f"h{k}"]["bias"]
            for k in "ifgo"
        )
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


def test_forward_is_that_of_a_slow_loop():
    model, x = lstm.Model(3, units=4, hidden=5), array(2, 6, 3)
    variables = model.init(jax.random.key(0), x, train=False)
    params = jax.tree.map(lambda a: np.asarray(a, np.float64) + 0.1, variables)[
        "params"
    ]
    out = model.apply({"params": params}, x, train=False)
    first = slow_lstm(params["lstm1"], np.asarray(x, np.float64))
    second = slow_lstm(params["lstm2"], first)
    np.testing.assert_allclose(out["stages"][0], first, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out["stages"][1], second, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out["features"], second.mean(1), rtol=1e-4, atol=1e-5)
    assert out["logits"].shape == (2, 3)
    assert out["hidden"].shape == (2, 5)


def test_default_sizes_and_no_state():
    model = lstm.Model(27)
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), array(1, 4, 3)
    )
    assert set(variables) == {"params"}
    # 4 (3 + 128 + 1) 128 and 4 (128 + 128 + 1) 128 in cells, 129 256 + 257 27 after.
    sizes = sum(x.size for x in jax.tree.leaves(variables))
    assert sizes == 67_584 + 131_584 + 33_024 + 6_939


def test_training_is_finite_on_zeros_and_dropout_is_random():
    model, x = lstm.Model(3, units=4, hidden=5, dropout=0.5), jnp.zeros((2, 6, 3))
    variables = model.init(jax.random.key(0), x, train=False)

    @jax.jit
    def run(variables, x, seed):
        def loss(variables):
            rngs = {"dropout": jax.random.key(seed)}
            out = model.apply(variables, x, train=True, rngs=rngs)
            return jnp.sum(out["logits"] ** 2)

        return jax.value_and_grad(loss)(variables)

    _, gradients = run(variables, x, 0)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))
    x = array(2, 6, 3)
    assert run(variables, x, 0)[0] != run(variables, x, 1)[0]

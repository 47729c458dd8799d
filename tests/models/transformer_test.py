"""Attention and the transformer layer: a slow loop, masks, dropout, types."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import transformer
from tests import reference_transformer as reference

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def made(module, *xs):
    """Variables with biases and gains other than zeros and ones."""
    init = jax.jit(lambda *xs: module.init(jax.random.key(0), *xs, train=False))
    return jax.tree.map(
        lambda v: v + 0.1 * RNG.standard_normal(v.shape).astype(v.dtype), init(*xs)
    )


def applied(module, variables, *xs, **options):
    """What a module makes of its inputs."""
    run = jax.jit(lambda variables, *xs: module.apply(variables, *xs, **options))
    return run(variables, *xs)


@pytest.fixture(scope="module")
def attention():
    module = transformer.Attention(2)
    x, keys = array(2, 3, 4), array(2, 5, 6)
    return module, made(module, x, keys), x, keys


MASK = np.array([[True, False, True, True, False], [False] * 5])


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("collected", [False, True])
def test_attention_is_the_slow_loop(attention, mask, collected):
    # Collected weights take another way through the code than the fused kernel.
    module, variables, x, keys = attention
    there = None if mask is None else jnp.asarray(mask)
    options = dict(mutable=["intermediates"]) if collected else {}
    out = applied(module, variables, x, keys, there, train=False, **options)
    out, state = out if collected else (out, {})
    for row in range(2):
        want, weights = reference.attention(
            x[row],
            keys[row],
            variables["params"],
            2,
            None if mask is None else mask[row],
        )
        np.testing.assert_allclose(out[row], want, atol=1e-5)
        if collected:
            (got,) = state["intermediates"]["weights"]
            np.testing.assert_allclose(got[row], weights, atol=1e-6)


def test_what_is_masked_moves_nothing_and_gets_no_gradient(attention):
    module, variables, x, keys = attention
    mask = jnp.asarray(MASK[:1])

    @jax.jit
    @jax.value_and_grad
    def total(keys):
        return (module.apply(variables, x[:1], keys, mask, train=False) ** 2).sum()

    keys = keys[:1]
    hidden = jnp.where(mask[..., None], keys, 1e6)
    value, gradient = total(keys)
    np.testing.assert_allclose(value, total(hidden)[0], rtol=1e-6)
    np.testing.assert_array_equal(np.abs(gradient).sum(axis=-1)[0] > 0, MASK[0])


def test_leading_axes_are_examples(attention):
    module, variables, x, keys = attention
    options = dict(train=False, mutable=["intermediates"])
    want, _ = applied(module, variables, x, keys, **options)
    got, state = applied(module, variables, x[:, None], keys[:, None], **options)
    np.testing.assert_allclose(got[:, 0], want, atol=1e-6)
    assert state["intermediates"]["weights"][0].shape == (2, 1, 2, 3, 5)


@pytest.mark.parametrize(
    ("norm", "activation", "epsilon"),
    [("before", "gelu", 1e-12), ("after", "relu", 1e-5)],
)
def test_a_layer_is_the_slow_loop(norm, activation, epsilon):
    module = transformer.Layer(
        2,
        6,
        norm=norm,
        activation=activation,
        epsilon=epsilon,
        qkv_bias=norm == "after",
    )
    x, mask = array(2, 5, 4), ~jnp.asarray(MASK[::-1])
    variables = made(module, x)
    assert ("bias" in variables["params"]["attention"]["query"]) == (norm == "after")
    got = applied(module, variables, x, mask, train=False)
    options = dict(norm=norm, activation=activation, epsilon=epsilon)
    for row in range(2):
        want = reference.layer(
            np.asarray(x[row], np.float64),
            variables["params"],
            2,
            mask=mask[row],
            **options,
        )
        np.testing.assert_allclose(got[row], want, atol=2e-5)


def test_heads_may_have_a_width_of_their_own():
    module = transformer.Attention(3, head_dim=5, qkv_bias=False)
    x = array(1, 2, 4)
    params = jax.eval_shape(
        lambda: module.init(jax.random.key(0), x, x, train=False)["params"]
    )
    assert params["value"]["kernel"].shape == (4, 15)
    assert params["out"]["kernel"].shape == (15, 4)
    assert set(params["query"]) == {"kernel"}


def test_the_variance_of_a_large_mean_does_not_cancel():
    x = 4096.0 + jnp.asarray([[-1.0, 1.0, -1.0, 1.0]])
    norm = transformer.layer_norm(1e-6, "norm")
    y, _ = norm.init_with_output(jax.random.key(0), x)
    np.testing.assert_allclose(y, [[-1.0, 1.0, -1.0, 1.0]], atol=1e-5)


RATES = ("weight_dropout", "attention_dropout", "hidden_dropout", "dropout")


def test_each_dropout_is_random_in_training_only():
    x = array(1, 4, 4)
    variables = made(transformer.Layer(1, 8), x)

    @jax.jit
    def runs(seeds):
        def run(seed, **options):
            module, rngs = transformer.Layer(1, 8, **options), dict(dropout=seed)
            return module.apply(variables, x, train=True, rngs=rngs)

        return {n: jax.vmap(lambda s, n=n: run(s, **{n: 0.5}))(seeds) for n in RATES}

    seeds = jax.random.split(jax.random.key(0), 2)[jnp.asarray([0, 0, 1])]
    for name, (first, again, other) in runs(seeds).items():
        np.testing.assert_array_equal(first, again, err_msg=name)
        assert np.abs(first - other).max() > 1e-3, name
    all_of_them = transformer.Layer(1, 8, **dict.fromkeys(RATES, 0.5))
    np.testing.assert_array_equal(
        applied(all_of_them, variables, x, train=False),
        applied(transformer.Layer(1, 8), variables, x, train=False),
    )


def test_drop_path_skips_whole_examples():
    module, x = transformer.Layer(1, 4, drop_path=0.5), array(1, 2, 4)
    variables = made(module, x)
    x = jnp.broadcast_to(x, (64, 2, 4))
    rngs = {"dropout": jax.random.key(3)}
    y = np.asarray(applied(module, variables, x, train=True, rngs=rngs))
    # Attention or not, dense part or not: four results, and one is to do nothing.
    kinds = np.unique(y.round(4).reshape(64, -1), axis=0)
    assert len(kinds) == 4
    untouched = np.abs(y - x).max(axis=(1, 2)) < 1e-6
    assert 4 <= untouched.sum() <= 30  # a quarter of 64 on average


def test_what_is_not_skipped_is_scaled_up():
    # Half of the functions are left out, and the others count twice.
    half, x = transformer.Layer(1, 4, drop_path=0.5), array(1, 2, 4)
    variables = made(half, x)
    # Without a dense part attention alone is added, once or not at all or twice.
    variables["params"]["dense2"] = jax.tree.map(
        np.zeros_like, variables["params"]["dense2"]
    )
    step = applied(transformer.Layer(1, 4), variables, x, train=False) - x
    many = jnp.broadcast_to(x, (16, 2, 4))
    rngs = {"dropout": jax.random.key(0)}
    y = applied(half, variables, many, train=True, rngs=rngs) - many
    times = np.asarray(y / step).round(3)
    assert set(np.unique(times)) == {0.0, 2.0}


def test_the_skip_connection_stays_float32():
    module, x = transformer.Layer(2, 8, dtype="bfloat16"), array(2, 3, 4)
    variables = made(module, x)
    assert {v.dtype for v in jax.tree.leaves(variables)} == {np.dtype("float32")}
    y = applied(module, variables, x, train=False)
    assert y.dtype == jnp.float32
    exact = applied(transformer.Layer(2, 8), variables, x, train=False)
    np.testing.assert_allclose(y, exact, atol=0.1)
    assert (y != exact).any()


def test_positions_are_vaswanis():
    table = transformer.sinusoids(3, 4)
    assert table.dtype == np.float32
    want = [[0, 1, 0, 1]] + [
        [np.sin(t), np.cos(t), np.sin(t / 100), np.cos(t / 100)] for t in (1, 2)
    ]
    np.testing.assert_allclose(table, want, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: transformer.Attention(3)(x, x, train=False), "4 does not divide"),
        (lambda x: transformer.Layer(2, 4, norm="both")(x, train=False), "norm is"),
        (
            lambda x: transformer.Layer(2, 4, activation="tanh")(x, train=False),
            "activation 'tanh'",
        ),
        (lambda x: transformer.sinusoids(2, 3), "even width, not 3"),
    ],
)
def test_options_that_are_none_are_refused(make, message):
    class Outer(transformer.nn.Module):
        @transformer.nn.compact
        def __call__(self, x):
            return make(x)

    with pytest.raises(ValueError, match=message):
        Outer().init(jax.random.key(0), array(1, 2, 4))

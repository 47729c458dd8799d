import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import conv3d, conv_norm
from kdjax.models.layers import batch_norm

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def trained_step(layer, x):
    """Output, new statistics and parameters of a fresh layer, compiled as one."""

    @jax.jit
    def run(x):
        y, variables = layer.init_with_output(jax.random.key(0), x, train=False)
        y, new = layer.apply(variables, x, train=True, mutable=["batch_stats"])
        return y, new["batch_stats"], variables["params"]

    return jax.tree.map(np.asarray, run(x))


def test_half_precision_computes_and_single_precision_keeps():
    x = array(2, 5, 6, 7, 3)
    layer = conv_norm.ConvNorm(4, (3, 3, 3), dtype="bfloat16")
    y, new, params = trained_step(layer, x)
    assert y.dtype == jnp.bfloat16
    leaves = jax.tree.leaves((new, params))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    expected, _, same = trained_step(conv_norm.ConvNorm(4, (3, 3, 3)), x)
    jax.tree.map(np.testing.assert_array_equal, params, same)
    # bfloat16 rounds to 2^-8, here products whose sums come to about three.
    np.testing.assert_allclose(y.astype(np.float32), expected, atol=0.06)


@pytest.mark.parametrize("activate", [True, False])
def test_a_unit_convolves_normalises_and_cuts_off(activate):
    x = array(2, 3, 4, 4, 3)
    layer = conv_norm.ConvNorm(5, momentum=0.75, epsilon=0.5, activate=activate)
    y, new, params = trained_step(layer, x)
    assert set(params["conv"]) == {"kernel"}
    z = np.asarray(x) @ params["conv"]["kernel"][0, 0, 0]
    mean, var = z.mean((0, 1, 2, 3)), z.var((0, 1, 2, 3))
    expected = (z - mean) / np.sqrt(var + 0.5)
    np.testing.assert_allclose(
        y, np.maximum(expected, 0) if activate else expected, atol=1e-5
    )
    stats = new["norm"]
    np.testing.assert_allclose(stats["mean"], 0.25 * mean, atol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.75 + 0.25 * var, rtol=1e-5)


WINDOWS = [
    conv_norm.Windows((1, 3, 3), (1, 2, 2), ((0, 0), (1, 1), (1, 1))),
    conv_norm.Windows((3, 3, 3), (2, 2, 2)),
    conv_norm.Windows((2, 3, 1), (1, 2, 3), "VALID"),
]


class Normalised(nn.Module):
    """What `NormOfMaxima` stands for: the whole map, and then its maxima."""

    windows: conv_norm.Windows

    @nn.compact
    def __call__(self, x, *, train):
        y = batch_norm(train, "norm")(x)
        return y, conv3d.max_pool(y, **self.windows._asdict())


def of_both(windows, x, *, train, cotangents):
    """Outputs, statistics and gradients, computed at once and after each other."""
    channels = x.shape[-1]
    # Gains of either sign, and of none.
    params = {"scale": jnp.linspace(-1.5, 1.9, channels), "bias": array(channels)}
    params["scale"] = params["scale"].at[1].set(0.0)
    kept = {"mean": array(channels), "var": jnp.square(array(channels)) + 0.1}
    found = []
    for layer, path in (
        (conv_norm.NormOfMaxima(windows), ()),
        (Normalised(windows), ("norm",)),
    ):

        def run(params, x, layer=layer, path=path):
            variables = {"params": params, "batch_stats": kept}
            for name in path:
                variables = {key: {name: of} for key, of in variables.items()}
            out, new = layer.apply(variables, x, train=train, mutable=["batch_stats"])
            new = new["batch_stats"]
            return out, new[path[0]] if path else new

        out, pull, new = jax.vjp(run, params, x, has_aux=True)
        found.append((out, new, pull(cotangents(out))))
    return found


def weighed(y):
    """Weights of either sign."""
    return jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("windows", WINDOWS)
def test_maxima_before_the_normalisation_are_those_after_it(windows, train):
    x = array(2, 5, 6, 7, 8)
    got, want = of_both(windows, x, train=train, cotangents=lambda out: out)
    for a, b in zip(jax.tree.leaves(got[:2]), jax.tree.leaves(want[:2])):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("windows", WINDOWS)
def test_their_gradients_are_the_same_but_where_a_gain_is_none(windows, train):
    x = array(2, 5, 6, 7, 8)

    def cotangents(out):
        return jax.tree.map(weighed, out)

    got, want = of_both(windows, x, train=train, cotangents=cotangents)
    (params, inputs), (params_wanted, inputs_wanted) = got[2], want[2]
    np.testing.assert_allclose(inputs, inputs_wanted, atol=2e-5)
    np.testing.assert_allclose(params["bias"], params_wanted["bias"], atol=1e-4)
    # Without a gain all of a window are equal, and any of them may be the maximum.
    chosen = jnp.arange(8) != 1
    scales = params["scale"][chosen], params_wanted["scale"][chosen]
    np.testing.assert_allclose(*scales, atol=2e-4)
    assert np.all(np.isfinite(params["scale"]))


def test_a_gain_of_none_learns_from_the_largest():
    x, windows = array(2, 5, 6, 7, 8), WINDOWS[0]

    def first_only(out):
        return jax.tree.map(jnp.zeros_like, out)[0], jnp.ones_like(out[1])

    ((_, _, (params, _)), _) = of_both(windows, x, train=True, cotangents=first_only)
    mean, deviation = (f((0, 1, 2, 3), keepdims=True) for f in (x.mean, x.std))
    largest = conv3d.max_pool((x - mean) / deviation, **windows._asdict())
    expected = largest.sum((0, 1, 2, 3))[1]
    np.testing.assert_allclose(params["scale"][1], expected, rtol=1e-4)


def test_statistics_are_those_of_all_in_a_named_axis():
    x, windows = array(4, 2, 6, 7, 8), WINDOWS[0]
    alone = conv_norm.NormOfMaxima(windows)
    shared = conv_norm.NormOfMaxima(windows, axis_name="views")
    variables = alone.init(jax.random.key(0), x, train=False)

    def run(layer, x):
        return layer.apply(variables, x, train=True, mutable=["batch_stats"])

    expected, new = run(alone, x)
    parts, news = jax.vmap(lambda x: run(shared, x), axis_name="views")(x[:, None])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[:, 0], b, atol=1e-5), parts, expected
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[2], b, atol=1e-6), news, new)


def test_a_unit_with_windows_has_the_parameters_of_one_without():
    x, windows = array(2, 3, 8, 8, 3), WINDOWS[0]
    plain = conv_norm.ConvNorm(5, (1, 3, 3), dtype="bfloat16")
    pooled = conv_norm.ConvNorm(5, (1, 3, 3), windows=windows, dtype="bfloat16")
    y, *variables = trained_step(plain, x)
    (whole, maxima), *same = trained_step(pooled, x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), variables, same
    )
    assert whole.dtype == maxima.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        *(each.astype(np.float32) for each in (whole, y)), atol=0.02
    )
    np.testing.assert_array_equal(
        maxima, conv3d.max_pool(jnp.asarray(whole), **windows._asdict())
    )

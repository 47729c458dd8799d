"""What every backbone computes in, and what its blocks keep for the backward pass."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from kdjax.models import remat
from tests.models.networks import NETWORKS, streams

KEY = jax.random.key(0)
FLOAT32 = np.dtype("float32")
TRACED = sorted(set(NETWORKS) - {"i3d"})
"""The largest takes too long to be differentiated just for its shapes."""

EXACT = ("rsqrt", "sqrt", "reduce_max")
"""What statistics and softmax have and nothing else has but the maximum that pools."""
PRODUCTS = ("dot_general", "conv_general_dilated")


def objective(out):
    """A number that depends on all of what a network judges by."""
    out = out if isinstance(out, dict) else {"logits": out}
    return jnp.sum(jnp.square(out["logits"]))


def training(name, **computed):
    """``(params, rest, *streams) -> (gradient, (outputs, state))``."""
    network = NETWORKS[name][0](**computed)

    def loss(params, rest, *xs):
        out, state = network.apply(
            {"params": params, **rest},
            *xs,
            train=True,
            mutable=list(rest),
            rngs={"dropout": KEY},
        )
        return objective(out), (out, state)

    return network, loss


def split(variables):
    variables = dict(variables)
    return variables.pop("params"), variables


def equations(jaxpr):
    """All of a program, those inside of others too."""
    for each in jaxpr.eqns:
        yield each
        for inner in jaxprs_in_params(each.params):
            yield from equations(inner)


@functools.cache
def traced(name, **computed):
    """Variables, outputs, state, and bytes kept from the forward pass: their shapes."""
    network, loss = training(name, **computed)
    xs = streams(name)
    init = functools.partial(network.init, train=False)
    variables = jax.eval_shape(init, KEY, *xs)

    def forward(params, rest, *xs):
        value, pull, aux = jax.vjp(lambda p: loss(p, rest, *xs), params, has_aux=True)
        return value, aux, pull

    program, (_, (out, state), pull) = jax.make_jaxpr(forward, return_shape=True)(
        *split(variables), *xs
    )
    kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(pull))
    return variables, out, state, kept, list(equations(program.jaxpr))


@pytest.mark.parametrize("name", TRACED)
def test_a_policy_keeps_less_for_the_backward_pass(name):
    variables, out, state, kept, _ = traced(name)
    same, output, moved, less, _ = traced(name, remat="nothing_saveable")
    assert (same, output, moved) == (variables, out, state)
    assert less < 0.9 * kept


def test_policies_keep_what_they_name():
    kept = {policy: traced("vit", remat=policy)[3] for policy in ("", *remat.POLICIES)}
    nothing, weighted, products = (kept[policy] for policy in remat.POLICIES)
    # Attention is made of products that have no weights.
    assert nothing < weighted < products < kept[""]


@pytest.mark.parametrize("name", TRACED)
def test_bfloat16_stays_among_the_products(name):
    variables, out, state, _, program = traced(name, dtype="bfloat16")
    assert variables == traced(name)[0]
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, state))} == {FLOAT32}
    out = out if isinstance(out, dict) else {"logits": out}
    judged = {key: array.dtype for key, array in out.items() if key != "stages"}
    judged.pop("selected", None)  # indices
    assert set(judged.values()) == {FLOAT32}
    operands = {kind: set() for kind in (*EXACT, *PRODUCTS)}
    for each in program:
        if each.primitive.name in operands:
            operands[each.primitive.name].add(each.invars[0].aval.dtype)
    exact = set(EXACT) - ({"reduce_max"} if name == "cnn1d" else set())
    assert set().union(*(operands[kind] for kind in exact)) <= {FLOAT32}
    half = np.dtype("bfloat16")
    assert half in set().union(*(operands[kind] for kind in PRODUCTS))


def test_every_block_of_i3d_is_one_that_a_policy_governs():
    network, (x,) = NETWORKS["i3d"][0](remat="products_saveable"), streams("i3d")
    program = jax.make_jaxpr(lambda x: network.init(KEY, x, train=False))(x)
    names = [each.primitive.name for each in equations(program.jaxpr)]
    # Three convolutions before the nine blocks of Inception.
    assert sum(name in ("checkpoint", "remat", "remat2") for name in names) == 12


@functools.cache
def filled(name):
    """Variables of a network, drawn without compiling its own way to draw them."""
    init = functools.partial(NETWORKS[name][0]().init, train=False)
    leaves, structure = jax.tree.flatten(jax.eval_shape(init, KEY, *streams(name)))
    random = np.random.default_rng(2)
    # Variances are positive.
    drawn = [np.abs(random.normal(size=leaf.shape)) + 0.1 for leaf in leaves]
    drawn = [(x if x.ndim == 1 else x - x.mean()).astype("f4") for x in drawn]
    return split(jax.tree.unflatten(structure, drawn))


def step(name, **computed):
    """Gradient, outputs and state of a step of training."""
    run = jax.jit(jax.grad(training(name, **computed)[1], has_aux=True))
    return jax.tree.map(np.asarray, run(*filled(name), *streams(name)))


# Dropout with statistics, a recurrence, attention.
@pytest.mark.parametrize("name", ["cnn1d", "lstm", "vit"])
def test_what_is_computed_again_changes_no_number(name):
    whole, again = (step(name, remat=policy) for policy in ("", "nothing_saveable"))
    for got, want in zip(*map(jax.tree.leaves, (again, whole)), strict=True):
        # Sums of large numbers leave the rounding of those.
        limit = 1e-5 * max(1.0, np.abs(want).max())
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=limit)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(whole[0])) > 1e-3


def answer(name, dtype):
    """Logits and features at inference."""
    params, rest = filled(name)

    @jax.jit
    def run(*xs):
        network = NETWORKS[name][0](dtype=dtype)
        out = network.apply({"params": params, **rest}, *xs, train=False)
        return out["logits"], out["features"]

    return jax.tree.map(np.asarray, run(*streams(name)))


# The others are compared in tests of their own.
@pytest.mark.parametrize("name", ["agcn", "cnn1d", "gaf", "lstm"])
def test_bfloat16_agrees_with_float32(name):
    for exact, half in zip(answer(name, "float32"), answer(name, "bfloat16")):
        # It rounds to one part in 256.
        assert 0 < np.abs(exact - half).max() < 0.03 * np.abs(exact).max()


def test_a_policy_that_there_is_not_is_refused():
    message = "remat is 'some': '' or one of nothing_saveable, dots_with"
    with pytest.raises(ValueError, match=message):
        traced("cnn1d", remat="some")

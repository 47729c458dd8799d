"""What a CPU's compiler is told, and what comes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import xla_options
from kdjax.models.layers import conv_of_pictures

LIBRARY = "xla_cpu_experimental_ynn_fusion_type"


@pytest.fixture(autouse=True)
def fresh():
    """Nothing is remembered from test to test."""
    xla_options._known.cache_clear()
    yield
    xla_options._known.cache_clear()


def gradients(x, kernel, cotangent):
    """A convolution and both its gradients."""
    y, pull = jax.vjp(lambda x, k: conv_of_pictures(x, k, (1, 1), "SAME"), x, kernel)
    return y, *pull(cotangent)


def compiled(options):
    """The program of `gradients` and its arguments."""
    rng = np.random.default_rng(0)
    shapes = (2, 12, 12, 17), (3, 3, 17, 32), (2, 12, 12, 32)
    given = [jnp.asarray(rng.standard_normal(s), jnp.float32) for s in shapes]
    return jax.jit(gradients, compiler_options=options).lower(*given).compile(), given


def test_options_take_convolutions_from_the_library_of_one_core():
    plain, given = compiled({})
    told, _ = compiled(xla_options.of_steps())
    assert "__ynn_fusion" not in told.as_text()
    for mine, theirs in zip(told(*given), plain(*given)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-4)


def test_options_leave_products_and_sums_to_the_library():
    def function(x):
        return x @ x.T, (x + 1).sum(axis=0)

    def fusions(options):
        program = jax.jit(function, compiler_options=options)
        return program.lower(jnp.ones((512, 256))).compile().as_text().count("__ynn")

    assert fusions(xla_options.of_steps()) == fusions({})


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_options_say_nothing_to_accelerators(platform):
    assert xla_options.of_steps(platform) == {}


def test_options_leave_what_the_user_chose(monkeypatch):
    assert xla_options.of_steps("cpu")
    monkeypatch.setenv("XLA_FLAGS", f"--xla_cpu_foo=1 --{LIBRARY}=individual_dot")
    assert xla_options.of_steps("cpu") == {}


def test_options_leave_out_what_xla_does_not_know(monkeypatch):
    monkeypatch.setattr(xla_options, "_WITHOUT_CONVOLUTIONS", {"xla_cpu_foo": "1"})
    assert xla_options.of_steps("cpu") == {}

"""Patches: where they lie, and their embedding in both of its forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import patches

RNG = np.random.default_rng(0)
GRIDS = pytest.mark.parametrize(
    ("sides", "patch", "strides"),
    [
        ((6, 9), 3, (3, 3)),
        ((8, 5), 3, (2, 1)),
        ((7, 8), 3, (3, 3)),
        ((4, 4), 4, (1, 1)),
    ],
    ids=["whole", "overlapping", "left over", "one"],
)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


@GRIDS
def test_patches_are_windows_of_the_picture(sides, patch, strides):
    x = array(2, *sides, 2)
    got = patches.cut(x, patch, strides)
    tops, lefts = (
        range(0, side - patch + 1, stride) for side, stride in zip(sides, strides)
    )
    assert got.shape == (2, len(tops), len(lefts), patch * patch * 2)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            window = x[:, top : top + patch, left : left + patch]
            np.testing.assert_array_equal(got[:, row, column], window.reshape(2, -1))


@GRIDS
def test_the_product_and_the_convolution_agree_with_gradients(sides, patch, strides):
    x, kernel = array(2, *sides, 2), array(patch * patch * 2, 5)

    @jax.jit
    def both(x, kernel):
        found = []
        for form in (patches._by_product, patches._by_convolution):
            run = functools.partial(form, patch=patch, strides=strides)
            y, pull = jax.vjp(run, x, kernel)
            found.append((y, pull(jnp.sin(jnp.arange(y.size * 1.0)).reshape(y.shape))))
        return found

    for mine, other in zip(*map(jax.tree.leaves, both(x, kernel)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("platform", "convolved"), [("cpu", False), ("tpu", True)])
def test_the_device_that_runs_the_program_decides(platform, convolved):
    layer = patches.Embedding(5, 2, (2, 2))
    run = jax.jit(lambda x: layer.init_with_output(jax.random.key(0), x))
    program = run.trace(array(1, 4, 4, 3)).lower(lowering_platforms=(platform,))
    assert ("stablehlo.convolution" in program.as_text()) == convolved

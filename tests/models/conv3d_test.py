import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kdjax.models import conv3d

RNG = np.random.default_rng(0)
LAYOUT = ("NTHWC", "THWIO", "NTHWC")


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def plain(x, kernel, strides, padding):
    """XLA's own three-dimensional convolution."""
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=LAYOUT
    )


def with_pulls(f, *args):
    """The value of `f`, and the gradients of its sum with weights of either sign."""
    y, pull = jax.vjp(f, *args)
    return y, pull(jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))


def compared(x, w, strides, padding):
    """What a CPU runs, what accelerators run and XLA's own, with gradients, agree."""
    pads = conv3d._pairs(x, w.shape[:3], strides, padding)
    forms = {
        "cpu": functools.partial(conv3d.conv, strides=strides, padding=padding),
        "accelerators": functools.partial(
            conv3d._conv_on_accelerators, strides=strides, padding=pads
        ),
        "xla": functools.partial(plain, strides=strides, padding=padding),
    }

    @jax.jit
    def run(x, w):
        return {name: with_pulls(form, x, w) for name, form in forms.items()}

    found = run(x, w)
    for name in ("cpu", "accelerators"):
        leaves = jax.tree.leaves(found[name]), jax.tree.leaves(found["xla"])
        for got, expected in zip(*leaves, strict=True):
            assert got.shape == expected.shape
            limit = 1e-5 * np.abs(expected).max()
            np.testing.assert_allclose(got, expected, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize(
    ("padding", "channels"),
    [("SAME", 3), ("half", 3), ("SAME", conv3d.FEW_CHANNELS)],
)
@pytest.mark.parametrize(
    ("kernel", "strides"),
    [
        ((1, 1, 1), (1, 1, 1)),
        ((1, 1, 1), (2, 2, 2)),
        ((3, 1, 1), (1, 1, 1)),
        ((3, 1, 1), (2, 1, 2)),
        ((1, 3, 3), (1, 1, 1)),
        ((1, 3, 3), (2, 2, 2)),
        ((1, 3, 3), (3, 1, 1)),
        ((3, 3, 3), (1, 1, 1)),
        ((3, 3, 3), (1, 2, 2)),
        ((5, 5, 5), (2, 2, 2)),
        ((2, 1, 3), (3, 2, 1)),
    ],
)
def test_it_is_xlas_convolution_with_its_gradients(kernel, strides, padding, channels):
    if padding == "half":
        padding = [(size // 2, size // 2) for size in kernel]
    x, w = array(2, 7, 6, 8, channels), array(*kernel, channels, 4)

    compared(x, w, strides, padding)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (1, 3), (4, 2)], ids=str)
@pytest.mark.parametrize(
    ("kernel", "strides", "padding"),
    [
        ((1, 3, 3), (1, 1, 1), "SAME"),
        ((1, 3, 3), (1, 2, 2), [(0, 0), (1, 1), (1, 1)]),
        ((3, 3, 3), (2, 1, 2), "SAME"),
        ((1, 7, 7), (1, 2, 2), [(0, 0), (3, 3), (3, 3)]),
        ((1, 3, 4), (1, 1, 3), [(0, 0), (4, 1), (2, 6)]),
    ],
)
def test_pictures_may_be_smaller_than_the_kernel(
    height, width, kernel, strides, padding
):
    compared(array(2, 3, height, width, 3), array(*kernel, 3, 4), strides, padding)


def lowered(platform, time=3, channels=conv3d.COLOURS + 1):
    """The program of a convolution and its gradients for a kind of device."""
    x, w = array(1, 4, 6, 6, channels), array(time, 3, 3, channels, 2)
    step = jax.jit(lambda x, w: with_pulls(conv3d.conv, x, w))
    return step.trace(x, w).lower(lowering_platforms=(platform,)).as_text()


def test_the_device_that_runs_the_program_decides():
    over_time, over_frames = "[b, 0, 1, 2, f]x", "[b, 0, 1, f]x"
    assert over_frames in lowered("cpu")
    assert over_time not in lowered("cpu")
    for platform in ("tpu", "cuda"):
        assert over_time in lowered(platform)
        assert over_frames not in lowered(platform)
        # Where it mixes no frames, or frames of few channels, it is one of pictures too.
        for options in (dict(time=1), dict(channels=3)):
            assert over_frames in lowered(platform, **options)
            assert over_time not in lowered(platform, **options)


def test_views_can_be_mapped_over():
    x, w = array(3, 1, 4, 5, 5, 2), array(3, 3, 3, 2, 2)
    mapped = jax.jit(jax.vmap(conv3d.conv, in_axes=(0, None)))(x, w)
    folded = jax.jit(conv3d.conv)(x[:, 0], w)
    np.testing.assert_allclose(mapped[:, 0], folded, atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
def test_the_layer_is_flaxs(use_bias):
    options = dict(strides=(1, 2, 2), padding="SAME", use_bias=use_bias)
    ours = conv3d.Conv(4, (3, 3, 3), **options)
    flaxs, x = nn.Conv(4, (3, 3, 3), **options), array(2, 5, 6, 7, 3)

    @jax.jit
    def both(x):
        variables = ours.init(jax.random.key(0), x), flaxs.init(jax.random.key(0), x)
        filled = jax.tree.map(lambda a: a + 0.1, variables[0])
        return *variables, ours.apply(filled, x), flaxs.apply(filled, x)

    variables, expected, got, want = both(x)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    np.testing.assert_allclose(got, want, atol=1e-5)


WINDOWS = [
    ((1, 3, 3), (1, 1, 1), [(0, 0), (1, 1), (1, 1)]),
    ((1, 3, 3), (1, 2, 2), "SAME"),
    ((3, 3, 3), (1, 1, 1), "SAME"),
    ((3, 3, 3), (2, 2, 2), "SAME"),
    ((2, 2, 2), (2, 2, 2), "SAME"),
    ((2, 3, 1), (1, 2, 3), "VALID"),
]


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize(("window", "strides", "padding"), WINDOWS)
def test_it_is_flaxs_pooling_with_its_gradient(window, strides, padding, ties):
    x = array(2, 7, 6, 5, 3)
    x = jnp.round(x) if ties else x

    @jax.jit
    def both(x):
        ours = with_pulls(
            lambda x: conv3d.max_pool(
                x, window=window, strides=strides, padding=padding
            ),
            x,
        )
        return ours, with_pulls(lambda x: nn.max_pool(x, window, strides, padding), x)

    (got, (pulled,)), (expected, (pull,)) = both(x)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(pulled, pull, atol=1e-6)


@pytest.mark.parametrize("position", [0, 2, 3])
def test_what_is_not_a_number_is_not_pooled_away(position):
    x = jnp.zeros((1, 4, 4, 4, 1)).at[0, position, position, position].set(jnp.nan)
    y = conv3d.max_pool(x, window=(3, 3, 3))
    expected = nn.max_pool(x, (3, 3, 3), padding="SAME")
    np.testing.assert_array_equal(jnp.isnan(y), jnp.isnan(expected))
    assert jnp.isnan(y).any()

"""AST: sizes, the order of its patches, features."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import spectrogram, vit
from tests.models.clips import array, count

SMALL = dict(width=4, depth=1, heads=2, hidden=6, patch=3, strides=(2, 1))


# Hugging Face's ASTModel counts 86,187,264 parameters; 64 rows have 96 of its 101 columns
# of positions less.
@pytest.mark.parametrize(
    ("options", "rows", "size", "tokens"),
    [
        (spectrogram.BASE, 1024, 86_187_264, 1214),
        (spectrogram.BASE, 64, 86_187_264 - 96 * 12 * 768, 62),
        (spectrogram.TINY, 64, 5_400_384, 62),
    ],
)
def test_it_has_the_published_size(options, rows, size, tokens):
    encoder, x = spectrogram.Encoder(**options), jnp.zeros((1, rows, 128))
    one = spectrogram.Encoder(**{**options, "depth": 1})
    variables = jax.eval_shape(lambda: one.init(jax.random.key(0), x, train=False))
    layer = count({"params": variables["params"]["layer1"]})
    assert count(variables) + (encoder.depth - 1) * layer == size
    shape = variables["params"]["positions"].shape
    assert shape[0] * shape[1] + 2 == tokens
    assert shape[0] == 12, "frequency is the slow axis"


def test_small_is_the_default():
    default = spectrogram.Encoder()
    assert default == spectrogram.Encoder(**spectrogram.TINY)
    assert isinstance(default, vit.Trunk)


def test_frequency_is_the_slow_axis_of_the_tokens():
    encoder = spectrogram.Encoder(**{**SMALL, "depth": 0, "heads": 1, "width": 3})
    x = jnp.asarray(100 * np.arange(8)[:, None] + np.arange(6), jnp.float32)
    variables = jax.eval_shape(lambda: encoder.init(jax.random.key(0), x, train=False))
    params = jax.tree.map(lambda p: jnp.zeros(p.shape), variables["params"])
    # A patch's first value, between constants: what is normalised keeps its order.
    params["embed"] = dict(
        kernel=params["embed"]["kernel"].at[0, 0].set(1e-4),
        bias=jnp.asarray([0.0, 1.0, -1.0]),
    )
    params["norm"]["scale"] = jnp.ones(3)
    run = jax.jit(functools.partial(encoder.apply, train=False, method="tokens"))
    tokens = run({"params": params}, x)
    want = [x[2 * time, pitch] for pitch in range(4) for time in range(3)]
    assert tokens.shape == (2 + len(want), 3)
    np.testing.assert_array_equal(np.argsort(tokens[2:, 0]), np.argsort(want))


def test_features_are_the_mean_of_both_prefix_tokens():
    encoder, x = spectrogram.Encoder(**SMALL), array(2, 3, 8, 5)

    @jax.jit
    def run(x):
        variables = encoder.init(jax.random.key(0), x, train=False)
        tokens = encoder.apply(variables, x, train=False, method="tokens")
        return encoder.apply(variables, x, train=False), tokens

    features, tokens = run(x)
    assert tokens.shape == (2, 3, 2 + 3 * 3, 4)
    np.testing.assert_allclose(features, tokens[..., :2, :].mean(axis=-2), atol=1e-6)
    assert np.abs(features[0, 0] - features[0, 1]).max() > 1e-4


def test_too_short_a_spectrogram_is_refused():
    with pytest.raises(ValueError, match="2x5 has no patch of 3"):
        spectrogram.Encoder(**SMALL).init(
            jax.random.key(0), jnp.zeros((1, 2, 5)), train=False
        )

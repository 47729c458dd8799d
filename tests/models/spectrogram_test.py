"""AST: sizes, the order of its patches, features."""

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


def test_patches_overlap_and_frequency_is_the_slow_axis():
    rows, bins = 8, 5
    x = 100 * np.arange(rows)[:, None] + np.arange(bins)
    x = jnp.asarray(x, jnp.float32)[None, None]
    got = spectrogram.overlapping_patches(x, 3, (2, 1))
    assert got.shape == (
        1,
        1,
        3,
        3,
        9,
    )  # bins 0, 1, 2; rows 0, 2, 4; row 7 is left over
    for pitch in range(3):
        for time in range(3):
            top = 2 * time
            want = np.asarray(x[0, 0, top : top + 3, pitch : pitch + 3]).reshape(-1)
            np.testing.assert_array_equal(got[0, 0, pitch, time], want)


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
    with pytest.raises(ValueError, match="2 rows or bins has no patch: 3"):
        spectrogram.Encoder(**SMALL).init(
            jax.random.key(0), jnp.zeros((1, 2, 5)), train=False
        )

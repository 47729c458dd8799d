"""ViT: sizes, patches, tokens against a slow loop, attention maps, types."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import vit
from tests import reference_transformer as reference
from tests.models.clips import array, count

TINY = dict(patch=2, width=4, depth=2, heads=2, hidden=6)


def made(encoder, x):
    """Variables with biases and gains other than zeros and ones."""
    init = jax.jit(lambda x: encoder.init(jax.random.key(0), x, train=False))
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda v: v + 0.1 * rng.standard_normal(v.shape).astype(v.dtype), init(x)
    )


def slow(x, params, *, patch, depth, heads, epsilon):
    """The tokens of one image, patch by patch."""
    height, width, _ = x.shape
    tokens = [np.asarray(params["cls"]) + params["prefix_positions"][0]]
    for row in range(height // patch):
        for column in range(width // patch):
            top, left = row * patch, column * patch
            pixels = x[top : top + patch, left : left + patch].reshape(-1)
            token = reference.dense(pixels, params["embed"])
            tokens.append(token + params["positions"][row, column])
    tokens = np.array(tokens, np.float64)
    for index in range(depth):
        layer = params[f"layer{index + 1}"]
        options = dict(norm="before", activation="gelu", epsilon=epsilon)
        tokens = reference.layer(tokens, layer, heads, **options)
    return np.array([reference.layer_norm(t, params["norm"], epsilon) for t in tokens])


@pytest.fixture(scope="module")
def tiny():
    encoder, x = vit.Encoder(**TINY), array(2, 3, 4, 6, 3)
    variables = made(encoder, x)

    @jax.jit
    def run(variables, x):
        tokens = encoder.apply(
            variables, x, train=False, method="tokens", mutable=["intermediates"]
        )
        return encoder.apply(variables, x, train=False), *tokens

    return encoder, variables, x, run(variables, x)


# timm counts 22,878,952 and 86,567,656 with the classifier of 1000 classes.
@pytest.mark.parametrize(
    ("options", "size", "tokens"),
    [
        (vit.SMALL_32, 22_878_952 - 385 * 1000, 50),
        (vit.BASE_16, 86_567_656 - 769 * 1000, 197),
    ],
)
def test_it_has_the_published_size(options, size, tokens):
    encoder, x = vit.Encoder(**options), jnp.zeros((1, 224, 224, 3))
    # One layer is traced: all are alike.
    one = vit.Encoder(**{**options, "depth": 1})
    variables = jax.eval_shape(lambda: one.init(jax.random.key(0), x, train=False))
    layer = count({"params": variables["params"]["layer1"]})
    assert count(variables) + (encoder.depth - 1) * layer == size
    params = variables["params"]
    shape = params["positions"].shape
    assert shape[0] * shape[1] + len(params["prefix_positions"]) == tokens


def test_tokens_are_the_slow_loop(tiny):
    _, variables, x, (_, tokens, _) = tiny
    assert tokens.shape == (2, 3, 1 + 2 * 3, 4)
    options = dict(patch=2, depth=2, heads=2, epsilon=1e-6)
    for place in ((0, 0), (1, 2)):
        want = slow(np.asarray(x[place]), variables["params"], **options)
        np.testing.assert_allclose(tokens[place], want, atol=1e-5)


def test_features_are_the_class_token(tiny):
    encoder, _, _, (features, tokens, _) = tiny
    np.testing.assert_array_equal(features, tokens[..., 0, :])
    np.testing.assert_array_equal(features, encoder.pool(tokens))


def test_attention_of_every_layer_is_collected(tiny):
    *_, state = tiny[-1]
    for layer in ("layer1", "layer2"):
        (weights,) = state["intermediates"][layer]["attention"]["weights"]
        assert weights.shape == (6, 2, 7, 7)  # images, heads, tokens
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)


def test_dropout_and_skipping_are_random_in_training_only(tiny):
    _, variables, x, (features, *_) = tiny

    @jax.jit
    def run(seed):
        rngs = {"dropout": jax.random.key(seed)}
        runs = []
        for name in ("dropout", "drop_path"):
            encoder = vit.Encoder(**TINY, **{name: 0.5})
            runs += [encoder.apply(variables, x, train=True, rngs=rngs)]
        both = vit.Encoder(**TINY, dropout=0.5, drop_path=0.5)
        return *runs, both.apply(variables, x, train=False)

    first, again, other = run(1), run(1), run(2)
    for a, b, c in zip(first[:2], again[:2], other[:2]):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 1e-3
    # Collected weights and the fused kernel round differently.
    np.testing.assert_allclose(first[2], features, atol=2e-5)


def test_half_precision_computes_alike_and_keeps_its_parameters(tiny):
    _, _, x, (features, *_) = tiny
    encoder = vit.Encoder(**TINY, dtype="bfloat16")
    variables = made(encoder, x)
    assert {v.dtype for v in jax.tree.leaves(variables)} == {np.dtype("float32")}
    y = jax.jit(lambda v, x: encoder.apply(v, x, train=False))(variables, x)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, features, atol=0.1)
    assert (y != features).any()


@pytest.mark.parametrize("shape", [(1, 5, 4, 3), (1, 4, 5, 3), (1, 0, 4, 3)])
def test_an_image_without_whole_patches_is_refused(shape):
    message = f"{shape[1]}x{shape[2]} pixels has no whole patches of 2"
    with pytest.raises(ValueError, match=message):
        vit.Encoder(**TINY).init(jax.random.key(0), jnp.zeros(shape), train=False)

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from kdjax.losses import consistency
from tests import reference_multilabel as reference
from tests.losses.properties import few, floats, unchecked_types

SHAPE = (2, 3, 4, 5)
OPTIONS = (
    "masked",
    "threshold",
    "weight",
    "weight_grad",
    "divergence",
    "norm",
    "kind",
)
LOSS = jax.jit(consistency.view_consistency, static_argnames=OPTIONS)


@functools.partial(jax.jit, static_argnames=OPTIONS)
def gradient(logits, visible, **options):
    def loss(logits):
        return consistency.view_consistency(logits, visible, **options).sum()

    return jax.grad(loss)(logits)


def draw(seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    logits = jnp.asarray(2 * rng.standard_normal(shape), jnp.float32)
    visible = rng.random(shape[:-1]) * (rng.random(shape[:-1]) < 0.7)
    return logits, jnp.asarray(visible, jnp.float32)


def log_softmax(*rows):
    return (jax.nn.log_softmax(jnp.asarray(row)) for row in rows)


@few
@given(floats((4, 5)), floats((4, 5)))
def test_js_is_symmetric_and_at_most_log_two(p, q):
    p, q = log_softmax(p, q)
    value = consistency.js(p, q)
    np.testing.assert_array_equal(value, consistency.js(q, p))
    assert (value >= -1e-6).all() and (value <= math.log(2) + 1e-6).all()
    assert not np.any(consistency.js(p, p))


def test_js_of_distributions_that_share_nothing_is_log_two():
    p, q = log_softmax([1e4, 0.0, 0.0], [0.0, 1e4, 0.0])
    np.testing.assert_allclose(consistency.js(p, q), math.log(2), rtol=1e-6)


def test_the_symmetric_divergence_is_the_mean_of_both_directions():
    p, q = log_softmax([0.0, 1.0], [2.0, 0.0])
    both = consistency.kl(p, q), consistency.kl(q, p)
    assert abs(both[0] - both[1]) > 1e-2
    np.testing.assert_allclose(consistency.kl_symmetric(p, q), sum(both) / 2, 1e-6)


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(norm="visible"),
        dict(weight="none", divergence="kl"),
        dict(weight="none", norm="visible", divergence="kl_symmetric"),
        dict(kind="sigmoid"),
        dict(kind="sigmoid", divergence="kl", norm="visible"),
    ],
    ids=lambda options: "-".join(options.values()) or "paper",
)
def test_every_choice_is_that_of_the_loop(options):
    logits, visible = draw(1)
    got = LOSS(logits, visible, **options)
    want = reference.view_consistency(logits, visible, **options)
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("divergence", consistency.DIVERGENCES)
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("scale", [0.0, 30.0, 1e4])
def test_one_hot_predictions_have_finite_gradients(divergence, kind, scale):
    logits, visible = draw(2)
    options = {"divergence": divergence, "kind": kind}
    saturated = jnp.where(logits > 0, scale, -scale)
    for seen in (visible, 0 * visible):
        assert np.isfinite(LOSS(saturated, seen, **options)).all()
        assert np.isfinite(gradient(saturated, seen, **options)).all()


def test_one_view_has_nothing_to_agree_with():
    logits, visible = draw(3, (2, 1, 4, 5))
    for norm in consistency.NORMS:
        assert not np.any(LOSS(logits, visible, norm=norm))
        assert not np.any(gradient(logits, visible, norm=norm))


@pytest.mark.parametrize("norm", consistency.NORMS)
def test_views_that_agree_or_share_no_frame_cost_nothing(norm):
    logits, visible = draw(4)
    same = jnp.broadcast_to(logits[:, :1], logits.shape)
    assert not np.any(LOSS(same, jnp.ones_like(visible), norm=norm))
    # In every frame one view alone sees somebody.
    turns = jnp.arange(3)[:, None] == jnp.arange(4)[None] % 3
    turns = jnp.broadcast_to(turns[None], visible.shape).astype(jnp.float32)
    assert not np.any(LOSS(logits, turns, norm=norm))
    assert not np.any(gradient(logits, turns, norm=norm))


def test_visible_is_what_exceeds_the_threshold():
    logits, visible = draw(5)
    got = LOSS(logits, visible, threshold=0.4)
    want = LOSS(logits, (visible > 0.4).astype(jnp.float32))
    np.testing.assert_array_equal(got, want)
    assert (got != LOSS(logits, visible)).any()


def test_without_the_mask_every_frame_counts():
    logits, visible = draw(6)
    everything = LOSS(logits, jnp.ones_like(visible))
    np.testing.assert_array_equal(LOSS(logits, None, masked=False), everything)
    np.testing.assert_array_equal(LOSS(logits, visible, masked=False), everything)


def test_the_order_of_the_views_is_of_no_account():
    logits, visible = draw(7)
    order = jnp.array([2, 0, 1])
    got = LOSS(logits[:, order], visible[:, order])
    np.testing.assert_allclose(got, LOSS(logits, visible), rtol=1e-5)


def padded(seed, garbage, extra_views=1, extra_frames=2):
    """Two views of four frames, and the same among padding with garbage in it."""
    logits, visible = draw(seed, (2, 2, 4, 5))
    pad = ((0, 0), (0, extra_views), (0, extra_frames))
    long = jnp.pad(logits, (*pad, (0, 0)), constant_values=garbage)
    present = jnp.pad(jnp.ones_like(visible), pad)
    seen = jnp.pad(visible, pad, constant_values=1.0)
    return (logits, visible), (long, seen), present


@pytest.mark.parametrize("norm", consistency.NORMS)
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("garbage", [0.0, 1e4])
def test_padded_views_and_frames_count_nowhere(norm, masked, garbage):
    short, long, present = padded(8, garbage)
    options = {"norm": norm, "masked": masked}
    got, want = LOSS(*long, present=present, **options), LOSS(*short, **options)
    np.testing.assert_allclose(got, want, rtol=1e-6)
    slope = gradient(*long, present=present, **options)
    np.testing.assert_allclose(slope[:, :2, :4], gradient(*short, **options), 1e-5)
    assert not np.any(slope[present == 0])


def test_a_clip_that_is_padding_throughout_is_zero():
    logits, visible = draw(9)
    present = jnp.ones_like(visible).at[1].set(0.0)
    got = LOSS(logits, visible, present=present)
    assert got[0] > 0 and got[1] == 0
    assert not np.any(gradient(logits, visible, present=present)[1])


def test_the_weight_is_a_constant_unless_asked_otherwise():
    logits, visible = draw(10)
    fixed = gradient(logits, visible, weight_grad=False)
    free = gradient(logits, visible, weight_grad=True)
    assert (jnp.abs(fixed - free) > 1e-4).any()
    options = {"weight_grad": True}
    np.testing.assert_array_equal(
        LOSS(logits, visible), LOSS(logits, visible, **options)
    )
    # Of one pair and one frame the constant is a factor of the unweighted gradient.
    pair, seen = logits[:1, :2, :1], jnp.ones((1, 2, 1))
    factor = jax.nn.softmax(pair).max(axis=-1).prod()
    plain = gradient(pair, seen, weight="none")
    np.testing.assert_allclose(gradient(pair, seen), factor * plain, rtol=1e-5)


def test_both_views_of_a_pair_learn():
    logits, visible = draw(11)
    slope = gradient(logits, jnp.ones_like(visible))
    assert (jnp.abs(slope).sum(axis=(0, 2, 3)) > 1e-3).all()
    step = LOSS(logits - 0.5 * slope, jnp.ones_like(visible), weight="none")
    assert (step < LOSS(logits, jnp.ones_like(visible), weight="none")).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(weight="entropy"), "weight must be one of confidence, none"),
        (dict(divergence="tv"), "divergence must be one of js, kl, kl_symmetric"),
        (dict(norm="mean"), "norm must be one of constant, visible"),
        (dict(kind="bernoulli"), "kind must be one of softmax, sigmoid"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        consistency.view_consistency(*draw(), **options)


def test_missing_and_misshapen_masks_are_refused():
    logits, visible = draw()
    with pytest.raises(ValueError, match="nothing says who is visible"):
        consistency.view_consistency(logits, None)
    with unchecked_types():
        with pytest.raises(ValueError, match=r"visible has shape \(2, 3, 3\)"):
            consistency.view_consistency(logits, visible[..., :3])
        with pytest.raises(ValueError, match=r"present has shape \(2, 2, 4\)"):
            consistency.view_consistency(logits, visible, present=visible[:, :2])

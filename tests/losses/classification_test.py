import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from kdjax.losses.classification import cross_entropy, soft_cross_entropy
from tests.losses.properties import few, floats, unchecked_types

LABEL = jnp.array([0, 2, 1], jnp.int32)


def test_uniform_scores_cost_the_logarithm_of_the_classes():
    out = cross_entropy(jnp.zeros((3, 4)), LABEL)
    np.testing.assert_allclose(out, np.full(3, np.log(4)), rtol=1e-6)


def test_smoothing_by_hand():
    # softmax([log 2, 0]) = [2/3, 1/3]; target [.95, .05] at smoothing .1.
    logits = jnp.log(jnp.array([[2.0, 1.0]]))
    want = -(0.95 * np.log(2 / 3) + 0.05 * np.log(1 / 3))
    out = cross_entropy(logits, jnp.array([0]), label_smoothing=0.1)
    np.testing.assert_allclose(out, [want], rtol=1e-6)


def test_any_leading_axes():
    logits = jnp.arange(24.0).reshape(2, 3, 4)
    label = jnp.stack([LABEL, LABEL])
    out = cross_entropy(logits, label)
    assert out.shape == (2, 3)
    np.testing.assert_allclose(out[1], cross_entropy(logits[1], LABEL), rtol=1e-6)


@few
@given(floats((3, 4)))
def test_one_hot_targets_are_labels(logits):
    logits = jnp.asarray(logits)
    target = jnp.eye(4)[LABEL]
    for smoothing in (0.0, 0.2):
        hard = cross_entropy(logits, LABEL, label_smoothing=smoothing)
        soft = soft_cross_entropy(logits, target, label_smoothing=smoothing)
        np.testing.assert_allclose(hard, soft, rtol=1e-5, atol=1e-5)


@few
@given(floats((3, 4)))
def test_mixed_targets_mix_the_losses(logits):
    logits, other = jnp.asarray(logits), jnp.array([1, 1, 3])
    target = 0.7 * jnp.eye(4)[LABEL] + 0.3 * jnp.eye(4)[other]
    parts = 0.7 * cross_entropy(logits, LABEL) + 0.3 * cross_entropy(logits, other)
    out = soft_cross_entropy(logits, target)
    np.testing.assert_allclose(out, parts, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\)"):
        cross_entropy(jnp.zeros((3, 4)), LABEL, label_smoothing=smoothing)
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\)"):
        soft_cross_entropy(
            jnp.zeros((3, 4)), jnp.zeros((3, 4)), label_smoothing=smoothing
        )


def test_wrong_shapes_are_named():
    with unchecked_types():
        with pytest.raises(ValueError, match=r"label has shape \(3,\)"):
            cross_entropy(jnp.zeros((2, 4)), LABEL)
        with pytest.raises(ValueError, match=r"target has shape \(1, 4\)"):
            soft_cross_entropy(jnp.zeros((3, 4)), jnp.zeros((1, 4)))

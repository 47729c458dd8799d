import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from kdjax.losses import confidence
from tests.losses.properties import few, floats, unchecked_types

LABEL = jnp.array([0, 2, 1], jnp.int32)


def test_weights_of_the_specification():
    # Cross-entropies .2 and 1.5 give .786 and .214.
    out = confidence.confidence_weights(jnp.array([[0.2], [1.5]]))
    np.testing.assert_allclose(out[:, 0], [0.786, 0.214], atol=5e-4)


@few
@given(floats((2, 5), limit=1e4))
def test_two_teachers_weigh_as_the_softmax_of_minus_the_loss(values):
    values = jnp.asarray(values)
    out = confidence.confidence_weights(values)
    want = jax.nn.softmax(-values, axis=0)
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)


@few
@given(floats((4, 5), limit=1e4))
def test_weights_sum_to_one_and_fall_with_the_loss(values):
    out = np.asarray(confidence.confidence_weights(jnp.asarray(values)))
    np.testing.assert_allclose(out.sum(axis=0), 1.0, rtol=1e-5)
    order = np.argsort(values, axis=0)
    assert (np.diff(np.take_along_axis(out, order, axis=0), axis=0) <= 1e-6).all()
    assert (out >= 0).all()


def test_a_single_teacher_has_weight_one():
    out = confidence.confidence_weights(jnp.array([[0.0, 3.0, 1e4]]))
    np.testing.assert_array_equal(out, np.ones((1, 3)))


def test_weights_carry_no_gradient():
    teachers = jnp.arange(24.0).reshape(2, 3, 4)

    def total(teachers):
        values = confidence.teacher_cross_entropy(teachers, LABEL)
        return jnp.sum(confidence.confidence_weights(values) ** 2 + values)

    assert not np.any(jax.grad(total)(teachers))


def test_a_good_teacher_outweighs_a_bad_one():
    good = 5.0 * jnp.eye(4)[LABEL]
    student = jnp.zeros((3, 4))
    both = jnp.stack([good, -good])
    alone = confidence.confidence_kd(student, good[None], LABEL, temperature=4.0)
    out = confidence.confidence_kd(student, both, LABEL, temperature=4.0)
    # The bad teacher's weight is near e^-6; the code's factor 1/N is left.
    np.testing.assert_allclose(out, alone / 2, rtol=3e-3)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="temperature must be positive"):
        confidence.confidence_kd(
            jnp.zeros((3, 4)), jnp.zeros((2, 3, 4)), LABEL, temperature=0.0
        )
    with unchecked_types():
        with pytest.raises(ValueError, match=r"label has shape \(3,\)"):
            confidence.teacher_cross_entropy(jnp.zeros((2, 5, 4)), LABEL)
        with pytest.raises(ValueError, match=r"teacher has shape \(5, 4\)"):
            confidence.divergences(
                jnp.zeros((3, 4)), jnp.zeros((2, 5, 4)), temperature=1.0
            )
        with pytest.raises(ValueError, match=r"omega has shape \(3,\)"):
            maps = jnp.zeros((2, 3, 4))
            confidence.confidence_hint(maps, maps, jnp.zeros(3))

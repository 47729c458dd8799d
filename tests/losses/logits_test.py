import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdjax.losses.logits import frame_kl, kd_kl, logit_regression
from tests.losses.properties import few, floats, unchecked_types

TEMPERATURES = st.floats(0.5, 20.0)


def test_kl_by_hand():
    # p = [3/4, 1/4], q = [1/2, 1/2]: KL = 3/4 log(3/2) + 1/4 log(1/2).
    teacher, student = jnp.log(jnp.array([[3.0, 1.0]])), jnp.zeros((1, 2))
    want = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    np.testing.assert_allclose(kd_kl(student, teacher, temperature=1.0), [want], 1e-6)


@few
@given(floats((3, 5)), floats((3, 5)), TEMPERATURES)
def test_kl_is_not_negative_and_zero_where_both_agree(student, teacher, temperature):
    student, teacher = jnp.asarray(student), jnp.asarray(teacher)
    assert (kd_kl(student, teacher, temperature=temperature) >= -1e-4).all()
    assert not np.any(kd_kl(teacher, teacher, temperature=temperature))


@few
@given(floats((3, 5)), floats((3, 5)), floats((3, 1)), TEMPERATURES)
def test_kl_ignores_shifts(student, teacher, shift, temperature):
    student, teacher = jnp.asarray(student), jnp.asarray(teacher)
    moved = student + jnp.broadcast_to(shift, student.shape)
    np.testing.assert_allclose(
        kd_kl(moved, teacher, temperature=temperature),
        kd_kl(student, teacher, temperature=temperature),
        rtol=1e-4,
        atol=1e-2 * temperature,
    )


@few
@given(floats((3, 5)), floats((3, 5)), st.permutations(range(5)))
def test_kl_ignores_the_order_of_classes(student, teacher, order):
    student, teacher = jnp.asarray(student), jnp.asarray(teacher)
    order = jnp.asarray(order)
    np.testing.assert_allclose(
        kd_kl(student[:, order], teacher[:, order], temperature=2.0),
        kd_kl(student, teacher, temperature=2.0),
        rtol=1e-4,
        atol=1e-4,
    )


def test_gradient_is_the_difference_of_the_distributions():
    # Hinton et al., equation 2, times the factor: tau (q - p).
    student, teacher = jnp.array([1.0, -2.0, 0.5]), jnp.array([0.3, 0.1, 2.0])
    gradient = jax.grad(lambda z: kd_kl(z, teacher, temperature=3.0))(student)
    gap = jax.nn.softmax(student / 3.0) - jax.nn.softmax(teacher / 3.0)
    np.testing.assert_allclose(gradient, 3.0 * gap, rtol=1e-5, atol=1e-7)


def test_hot_limit_is_the_regression_of_centred_logits():
    # Hinton et al., section 2.1: tau^2 KL tends to half the mean squared difference.
    student, teacher = jnp.array([1.0, -2.0, 1.0]), jnp.array([2.0, -1.0, -1.0])
    hot = kd_kl(student, teacher, temperature=300.0)
    np.testing.assert_allclose(hot, logit_regression(student, teacher) / 2, rtol=2e-2)


def test_the_factor_can_be_left_out():
    student, teacher = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 2.0]])
    with_it = kd_kl(student, teacher, temperature=4.0)
    without = kd_kl(student, teacher, temperature=4.0, kd_t2=False)
    np.testing.assert_allclose(with_it, 16.0 * without, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        kd_kl(jnp.zeros((2, 3)), jnp.zeros((2, 3)), temperature=temperature)


def test_wrong_shapes_are_named():
    with unchecked_types():
        for loss in (lambda s, t: kd_kl(s, t, temperature=1.0), logit_regression):
            with pytest.raises(ValueError, match=r"teacher has shape \(1, 3\)"):
                loss(jnp.zeros((2, 3)), jnp.zeros((1, 3)))


def frames(seed):
    values = np.random.default_rng(seed).normal(size=(2, 4, 3))
    return jnp.asarray(2 * values, jnp.float32)


def test_a_sigmoid_makes_every_class_a_decision_of_its_own():
    student, teacher = frames(0)[0], frames(1)[0]
    got = kd_kl(student, teacher, temperature=2.0, kind="sigmoid")
    # The logistic function is the softmax of a logit beside a zero.
    pairs = (jnp.stack([z, jnp.zeros_like(z)], axis=-1) for z in (student, teacher))
    want = kd_kl(*pairs, temperature=2.0).sum(axis=-1)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    with pytest.raises(ValueError, match="kind must be one of softmax, sigmoid"):
        kd_kl(student, teacher, temperature=2.0, kind="bernoulli")


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_frames_are_averaged_and_padding_is_none(kind):
    student, teacher = frames(2), frames(3)
    options = {"temperature": 3.0, "kind": kind}
    each = kd_kl(student, teacher, **options)
    got = frame_kl(student, teacher, **options)
    np.testing.assert_allclose(got, each.mean(axis=1), rtol=1e-6)
    mask = jnp.array([[1.0, 0.0, 1.0, 0.0], [0.0] * 4])
    got = frame_kl(student, teacher, **options, mask=mask)
    np.testing.assert_allclose(got, [(each[0, 0] + each[0, 2]) / 2, 0.0], rtol=1e-6)


def test_padded_frames_get_no_gradient():
    mask = jnp.array([[1.0, 1.0, 0.0, 0.0]] * 2)
    dirty = frames(4).at[:, 2:].set(1e4)
    gradient = jax.grad(lambda z: frame_kl(z, frames(5), mask=mask).sum())(dirty)
    assert np.isfinite(gradient).all() and np.any(gradient[:, :2])
    assert not np.any(gradient[:, 2:])
    with unchecked_types(), pytest.raises(ValueError, match=r"mask has shape \(2, 3\)"):
        frame_kl(dirty, dirty, mask=mask[:, :3])

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdjax.losses.decoupled import decoupled, decoupled_terms
from kdjax.losses.logits import kd_kl
from tests.losses.properties import few, floats, unchecked_types

LABEL = jnp.array([0, 2, 4])


@few
@given(floats((3, 5)), floats((3, 5)), st.floats(0.5, 20.0))
def test_the_terms_make_up_the_divergence(student, teacher, temperature):
    student, teacher = jnp.asarray(student), jnp.asarray(teacher)
    options = dict(temperature=temperature, kd_t2=False)
    tckd, nckd = decoupled_terms(student, teacher, LABEL, **options)
    p = jax.nn.softmax(teacher / temperature)[jnp.arange(3), LABEL]
    whole = kd_kl(student, teacher, **options)
    np.testing.assert_allclose(tckd + (1 - p) * nckd, whole, rtol=1e-4, atol=1e-4)


@few
@given(floats((3, 5)), floats((3, 5)))
def test_neither_term_is_negative(student, teacher):
    for term in decoupled_terms(jnp.asarray(student), jnp.asarray(teacher), LABEL):
        assert (term >= -1e-4).all()


def test_what_the_others_say_does_not_depend_on_the_target():
    student, teacher = jnp.array([[9.0, 1.0, 2.0, 0.0]]), jnp.array([[1.0, 2, 2, 5]])
    label = jnp.array([0])
    _, want = decoupled_terms(student, teacher, label)
    _, got = decoupled_terms(student.at[0, 0].set(-9.0), teacher, label)
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sure_networks_give_finite_values_and_gradients(sign):
    # The public code takes the logarithm of a probability rounded to zero here.
    large = sign * 1e4 * jnp.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 1.0]])
    label = jnp.array([0, 1])
    for student, teacher in ((large, -large), (large, large), (large, 0 * large)):
        value, slope = jax.value_and_grad(
            lambda z: decoupled(z, teacher, label, temperature=1.0).sum()  # noqa: B023
        )(student)
        assert np.isfinite(value) and np.isfinite(slope).all()


def test_two_classes_are_refused():
    with pytest.raises(ValueError, match="needs 3 classes, not 2"):
        decoupled(jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.array([0]))


def test_other_shapes_are_refused():
    with unchecked_types(), pytest.raises(ValueError, match="label has shape"):
        decoupled(jnp.zeros((2, 3)), jnp.zeros((2, 3)), jnp.array([0]))

"""What holds for every loss: oracle, transforms, gradients, precision, extremes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.losses.cases import CASES, arrays

every_loss = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
STUDENTS = 4


def on_device(values):
    return [jnp.asarray(value) for value in values]


def total(case):
    """The sum of a loss, for gradients."""
    return lambda *args: jnp.sum(case.loss(*args))


@functools.cache
def compiled(case):
    """The loss and the gradients of its sum, compiled once for all tests."""
    gradient = jax.grad(total(case), argnums=case.student + case.teacher)
    return jax.jit(lambda *args: (case.loss(*args), gradient(*args)))


def value_and_gradients(case, values):
    """The loss, and the gradients by the position of the argument."""
    out, grads = compiled(case)(*on_device(values))
    return out, dict(zip(case.student + case.teacher, grads))


def assert_finite(case, values):
    """Value and gradients are finite, the teacher's gradients are zero."""
    out, grads = value_and_gradients(case, values)
    assert np.isfinite(out).all()
    for position, gradient in grads.items():
        assert np.isfinite(gradient).all(), f"gradient of argument {position}"
        if position in case.teacher:
            assert not np.any(gradient), f"argument {position} is a constant"


@every_loss
def test_equals_the_loop_of_the_equation(case):
    for seed in range(3):
        values = arrays(case, seed)
        got, _ = value_and_gradients(case, values)
        want = case.oracle(*values)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


@every_loss
def test_gradient_equals_the_slope_of_the_loop(case):
    values, rng, step = arrays(case, seed=3), np.random.default_rng(4), 1e-5
    _, grads = value_and_gradients(case, values)
    for position in case.student:
        direction = rng.standard_normal(values[position].shape)
        moved = [list(values), list(values)]
        for sign, args in zip((1, -1), moved):
            args[position] = values[position].astype(np.float64)
            args[position] = args[position] + sign * step * direction
        up, down = (np.sum(case.oracle(*args)) for args in moved)
        slope = np.sum(np.asarray(grads[position], np.float64) * direction)
        np.testing.assert_allclose(
            slope, (up - down) / (2 * step), rtol=2e-4, atol=2e-5
        )


@every_loss
def test_teacher_gets_no_gradient_and_student_does(case):
    values = arrays(case, seed=5)
    assert_finite(case, values)
    _, grads = value_and_gradients(case, values)
    assert all(np.any(grads[position]) for position in case.student)


@every_loss
def test_eager_jit_vmap_and_pmap_agree(case):
    many = [arrays(case, seed) for seed in range(STUDENTS)]
    stacked = [jnp.stack(parts) for parts in zip(*many)]
    want = np.stack([compiled(case)(*on_device(values))[0] for values in many])
    close = {"rtol": 1e-5, "atol": 5e-6}
    np.testing.assert_allclose(case.loss(*on_device(many[0])), want[0], **close)
    np.testing.assert_allclose(jax.vmap(case.loss)(*stacked), want, **close)
    devices = jax.devices()[:STUDENTS]
    if len(devices) == STUDENTS:
        parallel = jax.pmap(case.loss, devices=devices)
        np.testing.assert_allclose(parallel(*stacked), want, **close)


@every_loss
@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e4])
def test_extreme_values_are_finite(case, scale):
    assert_finite(case, arrays(case, seed=6, scale=scale))


SCALE_FREE = [
    name
    for name in CASES
    if name.startswith(("attention", "rkd", "similarity", "correlation_kernel"))
]


@pytest.mark.parametrize("name", SCALE_FREE)
def test_scale_free_losses_stand_any_scale(name):
    small, large = arrays(CASES[name], seed=6), arrays(CASES[name], seed=6, scale=1e30)
    assert_finite(CASES[name], large)
    want, _ = value_and_gradients(CASES[name], small)
    got, _ = value_and_gradients(CASES[name], large)
    np.testing.assert_allclose(got, want, rtol=1e-4)


@every_loss
def test_saturated_scores_are_finite(case):
    values = [
        np.where(value > 0, 1e4, -1e4).astype(np.float32)
        if value.dtype == np.float32
        else value
        for value in arrays(case, seed=7)
    ]
    assert_finite(case, values)


@every_loss
def test_equal_rows_are_finite(case):
    values = arrays(case, seed=8)
    assert_finite(case, [np.broadcast_to(v[:1], v.shape) for v in values])
    half = [np.concatenate([v[:2], v[:2], v[4:]]) for v in values if len(v) == 5]
    if len(half) == len(values):
        assert_finite(case, half)


@every_loss
def test_student_equal_to_teacher_is_finite(case):
    values = arrays(case, seed=9)
    for s, t in zip(case.student, case.teacher):
        if values[s].shape == values[t].shape:
            values[s] = values[t]
    assert_finite(case, values)


@every_loss
def test_bfloat16_is_computed_in_float32(case):
    values = on_device(arrays(case, seed=10))
    low = [v.astype(jnp.bfloat16) if v.dtype == jnp.float32 else v for v in values]
    back = [v.astype(jnp.float32) if v.dtype == jnp.bfloat16 else v for v in low]
    out, grads = compiled(case)(*low)
    want, _ = compiled(case)(*back)
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, want, rtol=1e-6, atol=1e-7)
    assert all(np.isfinite(g.astype(jnp.float32)).all() for g in grads)


@every_loss
def test_no_dtype_is_promoted_silently(case):
    values = on_device(arrays(case, seed=11))
    gradient = jax.grad(total(case), argnums=case.student)
    with jax.numpy_dtype_promotion("strict"):
        out = jax.eval_shape(case.loss, *values)
        jax.eval_shape(gradient, *values)
    assert out.dtype == jnp.float32 and not out.weak_type

"""Optimizers and schedules against PyTorch's update rules, written out in NumPy."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import optimizers

STEPS = 20
STEPS_PER_EPOCH = 4
# A quadratic with unequal curvatures; gradient A p - b.
CURVATURE = np.array([[3.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 0.3]])
SLOPE = np.array([1.0, -2.0, 0.5])
START = np.array([1.5, -0.5, 2.0])
CONSTANT = dict(name="constant", learning_rate=0.05)


def rate_constant(step):
    return 0.05


def rate_cosine(step):
    """torch.optim.lr_scheduler.CosineAnnealingLR(T_max=20, eta_min=0), every step."""
    return 0.05 * (1 + math.cos(math.pi * step / STEPS)) / 2


def rate_restarts(step):
    """CosineAnnealingWarmRestarts(T_0=2, T_mult=1, eta_min=0), stepped every epoch."""
    current, rate = 0, []
    for _ in range(STEPS // STEPS_PER_EPOCH):
        rate.append(0.05 * (1 + math.cos(math.pi * current / 2)) / 2)
        current = 0 if current + 1 == 2 else current + 1
    return rate[step // STEPS_PER_EPOCH]


def adam(rate, *, weight_decay, decoupled):
    """torch.optim.Adam and AdamW, betas (0.9, 0.999), eps 1e-8."""
    p, m, v, path = START.copy(), np.zeros(3), np.zeros(3), []
    for step in range(STEPS):
        lr, g = rate(step), CURVATURE @ p - SLOPE
        if decoupled:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        first, second = 1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)
        p = p - lr / first * m / (np.sqrt(v) / math.sqrt(second) + 1e-8)
        path.append(p)
    return np.array(path)


def sgd(rate, *, weight_decay, momentum):
    """torch.optim.SGD(nesterov=True, dampening=0)."""
    p, buffer, path = START.copy(), None, []
    for step in range(STEPS):
        g = CURVATURE @ p - SLOPE + weight_decay * p
        buffer = g if buffer is None else momentum * buffer + g
        p = p - rate(step) * (g + momentum * buffer)
        path.append(p)
    return np.array(path)


def path_of(**config):
    """The parameters after each of the steps."""
    optimizer = optimizers.make(
        total_steps=STEPS, steps_per_epoch=STEPS_PER_EPOCH, **config
    )
    curvature, slope = jnp.asarray(CURVATURE), jnp.asarray(SLOPE)

    def step(carry, _):
        p, state = carry
        updates, state = optimizer.update(curvature @ p - slope, state, p)
        p = optax.apply_updates(p, updates)
        return (p, state), p

    start = jnp.asarray(START)
    return jax.lax.scan(step, (start, optimizer.init(start)), length=STEPS)[1]


SCHEDULES = {
    rate_constant: CONSTANT,
    rate_cosine: dict(name="cosine", learning_rate=0.05, warmup_epochs=0.0),
    rate_restarts: dict(name="warm_restarts", learning_rate=0.05, restart_epochs=2),
}


@pytest.mark.parametrize("rate", SCHEDULES, ids=lambda rate: rate.__name__)
@pytest.mark.parametrize(
    ("name", "options", "recursion"),
    [
        ("adam_l2", dict(weight_decay=0.3), functools.partial(adam, decoupled=False)),
        ("adamw", dict(weight_decay=0.3), functools.partial(adam, decoupled=True)),
        ("sgd", dict(weight_decay=0.1, momentum=0.8), sgd),
    ],
)
def test_the_path_is_that_of_pytorch(name, options, recursion, rate):
    # In single precision Adam's 1 - 0.999 is off by 5e-5 of its value, in any library.
    with jax.enable_x64(True):
        found = path_of(name=name, schedule=SCHEDULES[rate], **options)
    expected = recursion(rate, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)
    assert np.abs(expected[-1] - START).max() > 0.1


def test_coupled_and_decoupled_decay_differ():
    options = dict(schedule=CONSTANT, weight_decay=0.3)
    coupled, decoupled = (path_of(name=n, **options) for n in ("adam_l2", "adamw"))
    assert np.abs(coupled[-1] - decoupled[-1]).max() > 1e-2


def test_decay_may_leave_vectors_alone():
    params = {"kernel": jnp.ones((1, 1)), "bias": jnp.ones(1)}
    zero = jax.tree.map(jnp.zeros_like, params)
    for decay_vectors, bias in ((True, -0.015), (False, 0.0)):
        options = dict(weight_decay=0.3, decay_vectors=decay_vectors)
        optimizer = made(name="adamw", **options)
        updates, _ = optimizer.update(zero, optimizer.init(params), params)
        # Without a gradient only the decay is left: rate 0.05 times 0.3.
        np.testing.assert_allclose(updates["kernel"], [[-0.015]], rtol=1e-6)
        np.testing.assert_allclose(updates["bias"], [bias], rtol=1e-6)


def rates(name, steps=STEPS, **options):
    """Learning rates of all steps."""
    schedule = optimizers.SCHEDULES[name](
        total_steps=STEPS, steps_per_epoch=STEPS_PER_EPOCH, **options
    )
    return np.array([schedule(jnp.asarray(step)) for step in range(steps)])


def test_a_warm_up_rises_to_the_rate_and_the_cosine_ends_at_zero():
    found = rates("cosine", steps=25, learning_rate=0.8, warmup_epochs=1.0)
    # Quarters of the rate over the epoch's four steps.
    np.testing.assert_allclose(found[:4], [0.2, 0.4, 0.6, 0.8], rtol=1e-6)
    rest = [0.4 * (1 + math.cos(math.pi * t / 16)) for t in range(17)]
    np.testing.assert_allclose(found[4:21], rest, atol=1e-6)
    np.testing.assert_allclose(found[20:], 0.0, atol=1e-7)


def test_restarts_hold_the_rate_within_an_epoch():
    found = rates("warm_restarts", learning_rate=0.8, restart_epochs=4)
    by_epoch = found.reshape(5, 4)
    np.testing.assert_array_equal(by_epoch, by_epoch[:, :1] * np.ones((1, 4)))
    # 0.8 (1 + cos(pi e / 4)) / 2 for e = 0 .. 3, then from the start.
    expected = [0.8, 0.682843, 0.4, 0.117157, 0.8]
    np.testing.assert_allclose(by_epoch[:, 0], expected, rtol=1e-5)


def test_one_turn_over_all_epochs_falls_to_its_floor_as_in_pytorch():
    found = rates("warm_restarts", learning_rate=0.8, restart_epochs=5, floor=0.1)
    # torch 2.13, CosineAnnealingLR(T_max=5, eta_min=0.1) from 0.8, stepped by epoch.
    expected = [0.8, 0.733156, 0.558156, 0.341844, 0.166844]
    np.testing.assert_allclose(found.reshape(5, 4)[:, 0], expected, rtol=1e-5)


def test_a_role_of_no_steps_has_a_rate():
    schedule = optimizers.cosine(
        learning_rate=0.1, total_steps=0, steps_per_epoch=3, warmup_epochs=0.0
    )
    assert math.isfinite(schedule(jnp.asarray(0)))


def test_the_rate_is_compiled_once():
    step = jnp.asarray(3, jnp.int32)
    for name, options in (
        ("cosine", dict(warmup_epochs=0.5)),
        ("warm_restarts", dict(restart_epochs=2)),
    ):
        schedule = optimizers.SCHEDULES[name](
            learning_rate=0.1, total_steps=9, steps_per_epoch=3, **options
        )
        assert jax.jit(schedule)(step) == pytest.approx(float(schedule(step)))


def test_gradients_are_clipped_by_their_global_norm():
    make = functools.partial(
        optimizers.make,
        name="sgd",
        schedule=dict(name="constant", learning_rate=1.0),
        total_steps=1,
        steps_per_epoch=1,
        weight_decay=0.0,
        momentum=0.0,
    )
    # A 3-4-5 triangle over two leaves.
    gradient = {"a": jnp.array([3.0]), "b": jnp.array([4.0])}
    zero = jax.tree.map(jnp.zeros_like, gradient)
    for clip_norm, expected in ((1.0, (-0.6, -0.8)), (9.0, (-3, -4)), (0.0, (-3, -4))):
        optimizer = make(clip_norm=clip_norm)
        updates, _ = optimizer.update(gradient, optimizer.init(zero), zero)
        found = updates["a"][0], updates["b"][0]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def made(**changes):
    options = dict(name="adamw", schedule=CONSTANT, weight_decay=0.0)
    return optimizers.make(total_steps=1, steps_per_epoch=1, **{**options, **changes})


def test_making_leaves_the_config_as_it_was():
    schedule = dict(CONSTANT)
    made(schedule=schedule)
    assert schedule == CONSTANT


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (dict(name="lamb"), ValueError, "no optimizer 'lamb': one of .*adam_l2"),
        (dict(schedule=dict(name="step")), ValueError, "no schedule 'step': .*cosine"),
        (dict(schedule=dict(learning_rate=1.0)), ValueError, "no schedule ''"),
        (dict(schedule=dict(CONSTANT, gamma=0.1)), TypeError, "gamma"),
        (dict(momentum=0.9), TypeError, "momentum"),
    ],
)
def test_unknown_names_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        made(**changes)


def test_steps_fall_at_shares_of_the_training():
    rate = optimizers.steps(
        learning_rate=1.0, total_steps=100, steps_per_epoch=10, milestones=(0.4, 0.8)
    )
    values = [float(rate(step)) for step in (0, 40, 41, 80, 81, 99)]
    np.testing.assert_allclose(values, [1, 0.1, 0.1, 0.01, 0.01, 0.01], rtol=1e-6)

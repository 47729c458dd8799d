"""Steps as data: found by name, each with its options and a key of its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import augment
from kdjax.augment import signals
from tests import tiny

KEY = jax.random.key(5)
ROWS = 32
STEPS = {
    signals.rotate: dict(name="inertial", max_angle=20.0),
    signals.jitter: dict(name="skeleton", scale=0.1, offset=0.1, noise=0.1),
}


@functools.cache
def compiled(function, **options):
    return jax.jit(functools.partial(function, **options))


def test_each_step_has_a_key_of_its_own():
    noise = dict(function="signals.jitter", name="inertial", noise=1.0)
    batch = tiny.batch()
    once = jax.jit(augment.make(noise, num_classes=5))(KEY, batch)
    twice = jax.jit(augment.make(noise, noise, num_classes=5))(KEY, batch)
    first = once["inertial"] - batch["inertial"]
    second = twice["inertial"] - batch["inertial"]
    # 384 values; noise that came twice from one key would be 2 and not sqrt(2) strong.
    assert abs(first.std() - 1) < 0.15 and abs(second.std() - 2**0.5) < 0.2


def test_made_steps_are_the_functions_with_their_options():
    steps = [{"function": f"signals.{f.__name__}", **STEPS[f]} for f in STEPS]
    before = [dict(step) for step in steps]
    batch = tiny.batch(rows=ROWS)
    made = jax.jit(augment.make(*steps, num_classes=tiny.CLASSES))(KEY, batch)
    expected = batch
    for each, step in zip(jax.random.split(KEY, 2), STEPS):
        expected = compiled(step, **STEPS[step])(each, expected)
    tiny.assert_close(made, expected, atol=1e-5)
    assert steps == before


def test_mixing_steps_know_the_number_of_classes():
    made = augment.make(dict(function="signals.mixup", alpha=1.0), num_classes=ROWS)
    batch = tiny.batch(rows=ROWS)
    mixed = jax.eval_shape(made, KEY, batch)
    assert mixed["target"].shape == (ROWS, ROWS)


def test_no_step_leaves_the_batch_as_it_is():
    batch = tiny.batch()
    tiny.assert_same(augment.make(num_classes=tiny.CLASSES)(KEY, batch), batch)


@pytest.mark.parametrize("name", ["rotate", "signals.flip", "sounds.rotate"])
def test_an_unknown_function_is_refused(name):
    with pytest.raises(ValueError, match=f"no augmentation '{name}'"):
        augment.make(dict(function=name), num_classes=5)


def test_what_inference_reads_draws_nothing():
    with pytest.raises(ValueError, match="signals.jitter is random"):
        augment.prepare(dict(function="signals.jitter", name="rgb"), num_classes=5)
    batch = {"rgb": jnp.full((2, 3, 4, 5, 5, 1), 255, jnp.uint8)}
    steps = (
        dict(function="video.main_view"),
        dict(function="video.normalise", name="rgb"),
    )
    out = augment.prepare(*steps, num_classes=5)(batch)["rgb"]
    assert out.shape == (2, 4, 5, 5, 1) and np.all(out == 1)
    tiny.assert_same(augment.prepare(num_classes=5)(batch), batch)


@pytest.mark.parametrize(
    "step",
    [
        dict(function="signals.rotate"),
        dict(function="signals.jitter", name="inertial", nois=0.1),
    ],
    ids=["missing", "misspelt"],
)
def test_a_wrong_option_fails_before_the_first_step(step):
    with pytest.raises(TypeError, match="name|nois"):
        augment.make(step, num_classes=5)

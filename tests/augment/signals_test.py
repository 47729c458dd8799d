import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.augment import signals
from tests import tiny

KEY = jax.random.key(5)
ROWS = 32
STEPS = {
    signals.time_warp: dict(min_length=0.6, strength=0.4),
    signals.rotate: dict(name="inertial", max_angle=20.0),
    signals.jitter: dict(name="skeleton", scale=0.1, offset=0.1, noise=0.1),
    signals.mixup: dict(num_classes=ROWS, alpha=1.0, probability=0.6),
}


@functools.cache
def compiled(function, **options):
    return jax.jit(functools.partial(function, **options))


def ramp(rows=8, steps=33):
    """Every channel of every modality holds its own position in time."""
    time = np.arange(steps, dtype=np.float32)[None, :, None]
    inertial = np.broadcast_to(time, (rows, steps, 3))
    skeleton = np.broadcast_to(time[..., None, None], (rows, steps, 1, 4, 3))
    return {"inertial": jnp.array(inertial), "skeleton": jnp.array(skeleton)}


def warped_positions(key=KEY, **options):
    """Where each step of the result was taken from, in steps [B T]."""
    return np.asarray(compiled(signals.time_warp, **options)(key, ramp())["inertial"])[
        ..., 0
    ]


@pytest.mark.parametrize("steps", [2, 9])
def test_sampling_is_linear_interpolation(steps):
    random = np.random.default_rng(0)
    array = random.normal(size=(3, steps, 2, 2)).astype(np.float32)
    # Positions outside are clipped, as np.interp does.
    positions = random.uniform(-1, steps, size=(3, 7)).astype(np.float32)
    out = signals.sample_at(jnp.asarray(array), jnp.asarray(positions))
    for b, m, c in np.ndindex(3, 2, 2):
        expected = np.interp(positions[b], np.arange(steps), array[b, :, m, c])
        np.testing.assert_allclose(out[b, :, m, c], expected, atol=1e-5)


def test_sampling_at_the_steps_changes_nothing():
    array = tiny.batch()["inertial"]
    steps = jnp.broadcast_to(jnp.arange(16.0), (8, 16))
    np.testing.assert_allclose(signals.sample_at(array, steps), array, atol=1e-6)


def test_sampling_one_step_repeats_it():
    array = jnp.full((2, 1, 3), 4.0)
    out = signals.sample_at(array, jnp.zeros((2, 5)))
    np.testing.assert_array_equal(out, np.full((2, 5, 3), 4.0))


def test_a_warp_of_the_whole_at_even_pace_is_the_identity():
    batch = tiny.batch()
    out = compiled(signals.time_warp, min_length=1.0, strength=0.0)(KEY, batch)
    for name in ("skeleton", "inertial"):
        np.testing.assert_allclose(out[name], batch[name], atol=1e-5)


@pytest.mark.parametrize("strength", [0.0, 0.9])
def test_a_warp_goes_forward_and_stays_inside(strength):
    for seed in range(4):
        at = warped_positions(jax.random.key(seed), min_length=0.5, strength=strength)
        assert at.min() >= 0 and at.max() <= 32
        assert (np.diff(at, axis=1) > 0).all()
        # 33 steps: the crop is at least half of the 32 intervals.
        assert (at[:, -1] - at[:, 0] >= 16 - 1e-3).all()


def test_an_even_warp_is_a_crop_stretched_back():
    at = warped_positions(min_length=0.5)
    expected = np.linspace(at[:, 0], at[:, -1], 33, axis=1)
    np.testing.assert_allclose(at, expected, atol=1e-4)
    # Crops of all lengths and places occur.
    assert np.ptp(at[:, -1] - at[:, 0]) > 2 and np.ptp(at[:, 0]) > 2


def test_an_uneven_warp_follows_its_two_sines():
    at = warped_positions(min_length=1.0, strength=0.9) / 32
    unit = np.linspace(0, 1, 33)
    sines = np.stack([np.sin(np.pi * unit), np.sin(2 * np.pi * unit)], axis=1)
    found, residual, *_ = np.linalg.lstsq(sines, (at - unit).T)
    assert residual.max() < 1e-8
    # Amplitudes are at most strength / (2 pi k), which keeps the slope positive.
    limit = 0.9 / (2 * np.pi * np.array([[1.0], [2.0]]))
    assert (np.abs(found) <= limit + 1e-5).all()
    assert (np.abs(found).max(axis=1) > limit[:, 0] / 2).all()


def test_a_warp_moves_all_modalities_of_an_example_alike():
    out = compiled(signals.time_warp, min_length=0.5, strength=0.5)(KEY, ramp())
    same = np.broadcast_to(out["inertial"][:, :, None, :1, None], (8, 33, 1, 4, 3))
    np.testing.assert_array_equal(out["skeleton"], same)


@pytest.mark.parametrize(
    "options", [dict(min_length=0.0), dict(min_length=1.1), dict(strength=1.0)]
)
def test_a_warp_refuses_what_would_fold_time(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        signals.time_warp(KEY, tiny.batch(), **options)


def test_rotations_are_proper_and_bounded():
    make = compiled(signals.rotation_matrices, count=500, max_angle=30.0)
    turns = np.asarray(make(KEY), np.float64)
    identity = np.broadcast_to(np.eye(3), turns.shape)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), identity, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0, atol=1e-6)
    # The trace of a rotation is 1 + 2 cos(angle).
    cosine = (np.trace(turns, axis1=1, axis2=2) - 1) / 2
    angle = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
    assert angle.max() <= 30.0 + 1e-2 and angle.max() > 25 and angle.min() < 5
    # The skew part is sin(angle) times the axis: axes point everywhere.
    skew = np.stack([turns[:, 2, 1], turns[:, 0, 2], turns[:, 1, 0]], 1)
    skew -= np.stack([turns[:, 1, 2], turns[:, 2, 0], turns[:, 0, 1]], 1)
    assert (np.sign(skew).mean(axis=0) < 0.2).all()
    assert (np.sign(skew).mean(axis=0) > -0.2).all()


def test_rotations_about_the_vertical_keep_it():
    options = dict(count=300, max_angle=40.0, axis=(0.0, 2.0, 0.0))
    turns = np.asarray(compiled(signals.rotation_matrices, **options)(KEY), np.float64)
    np.testing.assert_allclose(turns[:, 1], np.eye(3)[[1] * 300], atol=1e-6)
    # x turns by the angle in the plane of x and z, as often one way as the other.
    angle = np.rad2deg(np.arctan2(turns[:, 0, 2], turns[:, 0, 0]))
    np.testing.assert_allclose(np.linalg.det(turns), 1.0, atol=1e-6)
    assert 35 < angle.max() <= 40 + 1e-3 and -35 > angle.min() >= -40 - 1e-3
    assert abs(angle.mean()) < 5


def test_one_rotation_turns_all_vectors_of_an_example():
    batch = tiny.batch()
    out = compiled(signals.rotate, name="skeleton", max_angle=60.0)(KEY, batch)
    np.testing.assert_array_equal(out["inertial"], batch["inertial"])
    turns = []
    for before, after in zip(batch["skeleton"], out["skeleton"]):
        points = np.asarray(before, np.float64).reshape(-1, 3)
        moved = np.asarray(after, np.float64).reshape(-1, 3)
        turn, *_ = np.linalg.lstsq(points, moved)
        np.testing.assert_allclose(points @ turn, moved, atol=1e-5)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
        turns.append(turn)
    # Every example has a turn of its own.
    for i, j in zip(*np.triu_indices(8, 1)):
        assert np.abs(turns[i] - turns[j]).max() > 1e-3


def test_acceleration_and_turning_rate_are_rotated_together():
    signal = jnp.asarray(np.random.default_rng(1).normal(size=(4, 6, 3)), jnp.float32)
    both = {"inertial": jnp.concatenate([signal, signal], axis=-1)}
    out = compiled(signals.rotate, name="inertial")(KEY, both)["inertial"]
    np.testing.assert_array_equal(out[..., :3], out[..., 3:])
    assert not np.allclose(out, both["inertial"])


def test_what_has_no_groups_of_three_is_not_rotated():
    # 3 steps of 4 channels are 12 numbers: they would regroup in silence.
    with pytest.raises(ValueError, match="inertial of shape .2, 3, 4. has no groups"):
        signals.rotate(KEY, {"inertial": jnp.ones((2, 3, 4))}, name="inertial")


def test_jitter_of_nothing_is_the_identity():
    batch = tiny.batch()
    out = compiled(signals.jitter, name="skeleton")(KEY, batch)
    tiny.assert_same(out, batch)


def jittered(name="inertial", rows=400, **options):
    batch = tiny.batch(rows=rows)
    out = compiled(signals.jitter, name=name, **options)(KEY, batch)
    return np.asarray(batch[name], np.float64), np.asarray(out[name], np.float64)


def test_jitter_scales_an_example_by_one_factor():
    before, after = jittered(scale=0.2)
    factor = np.sum(before * after, axis=(1, 2)) / np.sum(before**2, axis=(1, 2))
    np.testing.assert_allclose(after, factor[:, None, None] * before, atol=1e-5)
    # 400 draws: the standard error of the deviation is 0.2 / sqrt(800) = 0.007.
    assert abs(factor.std() - 0.2) < 0.03 and abs(factor.mean() - 1) < 0.04


def test_jitter_shifts_each_channel_of_an_example_by_one_offset():
    before, after = jittered("skeleton", offset=0.5)
    shift = (after - before).mean(axis=(1, 2, 3), keepdims=True)
    expected = np.broadcast_to(shift, before.shape)
    np.testing.assert_allclose(after - before, expected, atol=1e-5)
    # 1200 draws: the standard error of the deviation is 0.5 / sqrt(2400) = 0.01.
    assert abs(shift.std() - 0.5) < 0.04 and abs(shift.mean()) < 0.06


def test_jitter_adds_noise_to_every_value():
    before, after = jittered(noise=0.3)
    noise = (after - before).reshape(400, -1)
    # 19200 draws: the standard error of the deviation is 0.3 / sqrt(38400) = 0.0015.
    assert abs(noise.std() - 0.3) < 0.006 and abs(noise.mean()) < 0.01
    assert np.abs(np.corrcoef(noise.T) - np.eye(48)).max() < 0.3


@pytest.mark.usefixtures("optimised")
def test_mixup_mixes_with_one_weight_everything_of_two_examples():
    batch = tiny.batch(rows=ROWS)
    # Each example is its own class, so that the target tells who was mixed, and how.
    batch["label"] = jnp.arange(ROWS, dtype=jnp.int32)
    out = compiled(signals.mixup, **STEPS[signals.mixup])(KEY, batch)
    target = np.asarray(out["target"], np.float64)
    np.testing.assert_allclose(target.sum(axis=1), 1.0, atol=1e-6)
    weight = np.diagonal(target)
    # Weights are each example's own: with alpha 1 they are uniform on [0.5, 1].
    assert (weight >= 0.5).all() and weight.min() < 0.7
    mixed = weight < 1
    assert len(np.unique(weight[mixed])) == mixed.sum()
    # 0.6 of 32 are mixed, 19; the standard deviation is 2.8.
    assert 10 <= mixed.sum() <= 28
    same = (out["inertial"] == batch["inertial"]).all(axis=(1, 2))
    np.testing.assert_array_equal(same, ~mixed)
    np.testing.assert_array_equal(out["label"], batch["label"])
    np.testing.assert_array_equal(target.argmax(axis=1), batch["label"])
    for name in ("skeleton", "inertial"):
        expected = np.tensordot(target, np.asarray(batch[name], np.float64), axes=1)
        np.testing.assert_allclose(out[name], expected, atol=1e-5)


def test_mixup_takes_nothing_from_padding():
    batch = tiny.batch(rows=ROWS, padding=16)
    mix = compiled(signals.mixup, **STEPS[signals.mixup])
    clean, dirty = mix(KEY, batch), mix(KEY, tiny.with_garbage(batch))
    for name in ("skeleton", "inertial", "target"):
        np.testing.assert_array_equal(clean[name][:16], dirty[name][:16])
    assert not np.allclose(clean["inertial"][:16], batch["inertial"][:16])


def test_a_small_alpha_mixes_little():
    mix = compiled(signals.mixup, num_classes=tiny.CLASSES, alpha=0.01)
    target = np.asarray(mix(KEY, tiny.batch(rows=ROWS))["target"]).max(axis=1)
    assert np.isfinite(target).all() and (target > 0.999).mean() > 0.8


def test_mixup_refuses_an_alpha_of_zero():
    with pytest.raises(ValueError, match="alpha is 0.0, not positive"):
        signals.mixup(KEY, tiny.batch(), num_classes=5, alpha=0.0)


@pytest.mark.parametrize("function", STEPS, ids=lambda each: each.__name__)
def test_the_key_alone_decides_in_jit_and_without(function):
    options, batch = STEPS[function], tiny.batch(rows=ROWS)
    run = compiled(function, **options)
    jitted = run(KEY, batch)
    tiny.assert_close(jitted, function(KEY, batch, **options), atol=1e-5)
    tiny.assert_same(jitted, run(KEY, batch))
    name = options.get("name", "inertial")
    assert not np.allclose(jitted[name], run(jax.random.key(6), batch)[name])
    for name, array in batch.items():
        assert jitted[name].shape == array.shape and jitted[name].dtype == array.dtype

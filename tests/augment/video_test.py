"""Clips on the device: what moves, what must not, and that frames move together."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import poses, skeletons
from kdjax.augment import video

KEY = jax.random.key(2)


def clips(rows=4, views=2, frames=3, height=6, width=8, channels=1):
    """Every pixel holds its own place: 16 y + x, alike in all frames."""
    y, x = np.mgrid[:height, :width]
    picture = (16 * y + x).astype(np.uint8)[..., None]
    shape = (rows, views, frames, height, width, channels)
    return {
        "rgb": jnp.asarray(np.broadcast_to(picture, shape)),
        "label": jnp.zeros(rows, jnp.int32),
    }


def run(function, batch=None, key=KEY, **options):
    batch = clips() if batch is None else batch
    return jax.jit(functools.partial(function, **options))(key, batch)


def corners(out):
    """Row and column of each clip's first pixel."""
    first = np.asarray(out["rgb"])[:, :, 0, 0, 0, 0]
    return first // 16, first % 16


def test_the_main_view_is_the_last():
    batch = clips(views=3)
    batch["rgb"] = batch["rgb"].at[:, -1].set(7)
    out = video.main_view(batch)
    assert out["rgb"].shape == (4, 3, 6, 8, 1) and np.all(out["rgb"] == 7)
    assert out["label"] is batch["label"]
    kept = video.main_view(batch, squeeze=False)
    assert kept["rgb"].shape == (4, 1, 3, 6, 8, 1) and np.all(kept["rgb"] == 7)


def test_another_cameras_view_is_left_to_whom_it_is_named_for():
    batch = {**clips(views=2), "ir": clips(views=2)["rgb"]}
    out = video.main_view(batch, names=("ir",))
    assert out["ir"].shape == (4, 3, 6, 8, 1) and out["rgb"] is batch["rgb"]


def test_bytes_are_normalised_by_the_statistics_of_each_channel():
    coloured, mean, deviation = clips(channels=3), (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    options = dict(name="rgb", mean=mean, deviation=deviation)
    got = video.normalise(coloured, **options)["rgb"]
    want = (np.asarray(coloured["rgb"]) / 255.0 - mean) / deviation
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    beside = video.normalise(coloured, to="pictures", **options)
    assert beside["rgb"] is coloured["rgb"]
    np.testing.assert_array_equal(beside["pictures"], got)
    with pytest.raises(ValueError, match="rgb has numbers of float32, not bytes"):
        video.normalise({**coloured, "rgb": got}, **options)
    # Grey becomes three channels, as copying it first would.
    grey = video.normalise(clips(), **options)["rgb"]
    np.testing.assert_array_equal(grey, got)
    with pytest.raises(ValueError, match="2 channels has 3 means"):
        video.normalise(clips(channels=2), **options)


def test_what_stands_still_is_taken_away():
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 200, size=(2, 3, 1, 4, 4, 3), dtype=np.uint8)
    frames = np.repeat(scene, 5, axis=2)
    frames[0, 0, 1:3, 2, 2] += 55  # somebody, in two of five frames
    there = np.ones((2, 3, 5), np.float32)
    there[1, 0, 1:], there[1, 1, 3:], there[1, 2] = 0, 0, 0
    frames[there == 0] = 255
    batch = {"rgb": jnp.asarray(frames), "present": jnp.asarray(there)}
    out = video.without_background(batch, name="rgb")["rgb"]
    want = np.zeros(frames.shape, np.float32)
    want[0, 0, 1:3, 2, 2] = 55 / 25.5
    np.testing.assert_allclose(out, want, rtol=1e-6)
    with pytest.raises(ValueError, match="rgb has numbers of float32, not bytes"):
        video.without_background({**batch, "rgb": out}, name="rgb")


@pytest.mark.parametrize("count", [1, 4, 7, 12])
def test_the_scene_is_the_median_of_any_bytes(count):
    rng = np.random.default_rng(count)
    frames = rng.integers(0, 256, size=(2, 2, count, 3, 3, 2), dtype=np.uint8)
    frames[0, 0, :, 0], frames[0, 1, :, 0] = 255, 0
    batch = {"rgb": jnp.asarray(frames), "there": jnp.ones((2, 2, count))}
    options = dict(mask="there", to="moved", deviation=1 / 255)
    out = video.without_background(batch, name="rgb", **options)
    assert out["rgb"] is batch["rgb"]
    scene = np.percentile(frames, 50, axis=2, method="lower", keepdims=True)
    moved = frames.astype(np.float32) - scene
    np.testing.assert_allclose(out["moved"], moved, rtol=1e-6)


def test_random_crops_are_windows_of_each_clips_own():
    batch = clips(rows=64)
    out = run(video.random_crop, batch, name="rgb", size=(4, 5))
    assert out["rgb"].shape == (64, 2, 3, 4, 5, 1) and out["rgb"].dtype == jnp.uint8
    top, left = corners(out)
    assert set(top.ravel()) == {0, 1, 2} and set(left.ravel()) == {0, 1, 2, 3}
    assert (top[:, 0] != top[:, 1]).any() and (left[:, 0] != left[:, 1]).any()
    for row in range(3):
        for view in range(2):
            y, x = top[row, view], left[row, view]
            want = batch["rgb"][row, view, :, y : y + 4, x : x + 5]
            np.testing.assert_array_equal(out["rgb"][row, view], want)


def test_a_crop_of_the_whole_is_the_whole():
    batch = clips()
    for out in (
        run(video.random_crop, name="rgb", size=(6, 8)),
        video.center_crop(batch, name="rgb", size=(6, 8)),
    ):
        np.testing.assert_array_equal(out["rgb"], batch["rgb"])


def test_the_centre_is_cut_out():
    out = video.center_crop(clips(), name="rgb", size=(2, 4))
    assert out["rgb"].shape[-3:-1] == (2, 4)
    assert set(map(int, corners(out)[0].ravel())) == {2}
    assert set(map(int, corners(out)[1].ravel())) == {2}


@pytest.mark.parametrize("size", [(7, 8), (6, 9), (0, 4)])
def test_a_crop_larger_than_the_picture_is_refused(size):
    with pytest.raises(ValueError, match="6x8 pixels has no crop"):
        video.random_crop(KEY, clips(), name="rgb", size=size)
    with pytest.raises(ValueError, match="6x8 pixels has no crop"):
        video.center_crop(clips(), name="rgb", size=size)


def test_a_resized_crop_of_everything_is_the_resized_picture():
    options = dict(name="rgb", size=(3, 4), area=(1.0, 1.0), aspect=(4 / 3, 4 / 3))
    out = run(video.random_resized_crop, **options)
    want = jax.image.resize(
        clips()["rgb"].astype(jnp.float32), (4, 2, 3, 3, 4, 1), "linear"
    )
    np.testing.assert_allclose(out["rgb"], jnp.round(want), atol=1)


def test_resized_crops_differ_by_clip_and_not_by_frame():
    out = run(video.random_resized_crop, name="rgb", size=(6, 8), area=(0.2, 0.5))
    frames = np.asarray(out["rgb"])
    np.testing.assert_array_equal(frames[:, :, 0], frames[:, :, 2])
    assert len({clip.tobytes() for clip in frames.reshape(8, -1)}) == 8


@pytest.mark.parametrize(
    "options", [{"area": (0.0, 1.0)}, {"area": (0.9, 0.5)}, {"aspect": (0.0, 1.0)}]
)
def test_a_range_that_is_none_is_refused(options):
    with pytest.raises(ValueError, match="no parts"):
        video.random_resized_crop(KEY, clips(), name="rgb", size=(3, 4), **options)


def test_one_coin_turns_a_view_and_its_pose():
    batch = clips(rows=32)
    joints = np.random.default_rng(0).uniform(1, 5, (32, 2, 3, 1, 17, 3))
    batch["joints"] = jnp.asarray(joints, jnp.float32)
    options = dict(names=("rgb", "joints"), topology="coco", frame=(6, 8))
    out = run(video.random_flip, batch, **options)
    turned = corners(out)[1] > 0
    assert 10 < turned.sum() < 54 and (turned[:, 0] != turned[:, 1]).any()
    mirrored = poses.flip(
        batch["joints"],
        jnp.broadcast_to(jnp.array([6, 8]), (32, 2, 2)),
        pairs=skeletons.get("coco").flip,
    )
    shape = (32, 2, 1, 1, 1, 1)
    want = jnp.where(turned.reshape(shape), mirrored, batch["joints"])
    np.testing.assert_array_equal(out["joints"], want)
    want = jnp.where(turned.reshape(shape), batch["rgb"][..., ::-1, :], batch["rgb"])
    np.testing.assert_array_equal(out["rgb"], want)


def test_bytes_become_numbers_between_minus_one_and_one():
    batch = {"rgb": jnp.array([[0, 255, 51]], jnp.uint8)}
    out = video.normalise(batch, name="rgb")["rgb"]
    np.testing.assert_allclose(out, [[-1.0, 1.0, -0.6]], atol=1e-6)


def test_clips_of_an_evaluation_get_an_axis_and_a_mirror_image():
    frames = jnp.arange(2 * 6 * 2 * 3 * 1).reshape(2, 6, 2, 3, 1)
    out = video.clips({"rgb": frames}, names=("rgb",), count=3)["rgb"]
    assert out.shape == (2, 3, 2, 2, 3, 1)
    np.testing.assert_array_equal(out[1, 2], frames[1, 4:6])
    both = video.double({"rgb": out}, name="rgb")["rgb"]
    assert both.shape == (2, 6, 2, 2, 3, 1)
    np.testing.assert_array_equal(both[:, :3], out)
    np.testing.assert_array_equal(both[:, 3:], out[..., ::-1, :])
    with pytest.raises(ValueError, match="make no 4 clips"):
        video.clips({"rgb": frames}, names=("rgb",), count=4)

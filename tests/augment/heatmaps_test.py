"""From the poses of a batch to maps: the person fills them, and mirrors are mirrors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import heatmaps, poses, skeletons
from kdjax.augment import heatmaps as steps
from kdjax.augment import video

KEY = jax.random.key(3)
FRAME, SIZE = (120, 160), (16, 16)
OPTIONS = dict(frame=FRAME, size=SIZE, topology="coco")


def batch(rows=6, views=2, frames=4):
    """People of 40 pixels somewhere in the picture; the first view holds nobody."""
    rng = np.random.default_rng(1)
    joints = np.ones((rows, views, frames, 1, 17, 3), np.float32)
    places = rng.uniform(20, 70, (rows, 1, 1, 1, 1, 2))
    joints[..., :2] = places + rng.uniform(0, 40, joints[..., :2].shape)
    joints[:, 0] = 0
    return {"joints": jnp.asarray(joints)}


def maps(out):
    return np.asarray(out[steps.KEY])


def test_plain_maps_are_of_the_main_view_cropped_to_its_person():
    given = batch()
    out = maps(steps.plain(given, **OPTIONS))
    joints, box = given["joints"][:, -1], jnp.broadcast_to(jnp.array(FRAME), (6, 2))
    joints, box = poses.compact(joints, box)
    joints, _ = poses.resize(joints, box, to=SIZE)
    want = heatmaps.joint_heatmaps(joints, size=SIZE)
    np.testing.assert_array_equal(out, want)
    assert out.shape == (6, 4, 16, 16, 17)
    # A person fills most of the map, wherever in the picture it stood.
    seen = out.max(axis=(1, 4)) > 0.1
    assert (seen.any(axis=2).sum(axis=1) >= 8).all()


def test_limbs_have_a_channel_each():
    out = maps(steps.plain(batch(), **OPTIONS, kind="limbs"))
    assert out.shape[-1] == len(skeletons.get("coco").limbs)


def test_augmented_maps_depend_on_the_key_alone_and_differ_by_clip():
    run = jax.jit(functools.partial(steps.augmented, short=20, **OPTIONS))
    given = batch(rows=4)
    given["joints"] = jnp.broadcast_to(given["joints"][:1], given["joints"].shape)
    first, again, other = (maps(run(k, given)) for k in (KEY, KEY, jax.random.key(9)))
    np.testing.assert_array_equal(first, again)
    assert len({clip.tobytes() for clip in first}) == 4
    assert not np.array_equal(first, other)
    assert first.min() >= 0 and first.max() <= 1


def test_without_crop_and_coin_augmented_is_plain():
    given = batch()
    out = steps.augmented(
        KEY, given, short=16, area=(1.0, 1.0), aspect=(1.0, 1.0), flip=0.0, **OPTIONS
    )
    np.testing.assert_allclose(
        maps(out), maps(steps.plain(given, **OPTIONS)), atol=1e-5
    )


def test_doubled_clips_are_followed_by_their_mirror_images():
    given = steps.plain(batch(frames=4), **OPTIONS)
    split = video.clips(given, names=(steps.KEY,), count=2)
    out = maps(steps.double(split, topology="coco"))
    assert out.shape == (6, 4, 2, 16, 16, 17)
    pairs = skeletons.get("coco").flip
    want = heatmaps.mirror_heatmaps(split[steps.KEY], pairs=pairs)
    np.testing.assert_array_equal(out[:, 2:], want)
    np.testing.assert_array_equal(out[:, :2], split[steps.KEY])


def test_another_kind_or_body_is_refused():
    with pytest.raises(ValueError, match="kind is 'hands'"):
        steps.plain(batch(), **OPTIONS, kind="hands")
    with pytest.raises(ValueError, match="17 joints, kinect_v1 has 20"):
        steps.plain(batch(), **{**OPTIONS, "topology": "kinect_v1"})

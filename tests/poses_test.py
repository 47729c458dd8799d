import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kdjax import poses, skeletons
from tests import reference_heatmaps as reference
from tests.losses.properties import few, unchecked_types

KEY = jax.random.key(3)
FRAME = (240, 320)
CLIPS = 400
FLIP = ((1, 2), (3, 4))


@functools.cache
def compiled(function, **options):
    return jax.jit(functools.partial(function, **options))


def clips(seed=0, count=3, shape=(2, 2, 5)):
    """Poses [B T M J 3] inside their frames, and the frames' sizes."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((20, 30), (300, 200), (count, *shape, 2))
    joints = np.concatenate([points, rng.uniform(size=(count, *shape, 1))], -1)
    size = jnp.tile(jnp.array(FRAME), (count, 1))
    return jnp.asarray(joints, jnp.float32), size


def corners(count=CLIPS, frame=FRAME):
    """Clips whose two joints mark the corners of the frame, to see where it goes."""
    height, width = frame
    marks = jnp.array([[0.0, 0.0, 1.0], [width, height, 1.0]])
    joints = jnp.broadcast_to(marks, (count, 2, 2, 2, 3))
    return joints, jnp.tile(jnp.array(frame), (count, 1))


@st.composite
def points_of_a_clip(draw):
    """Eighths of pixels, many of them missing, in a small box or all over the frame."""
    limit = draw(st.sampled_from([60, 2000]))
    places = hnp.arrays(np.int32, (2, 2, 5, 2), elements=st.integers(0, limit))
    points = draw(places).astype(np.float32) / 8
    points[draw(hnp.arrays(bool, (2, 2, 5, 2)))] = draw(st.sampled_from([0.0, np.nan]))
    return points


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(ratio=None, padding=0.5),
        dict(ratio=(0.5, 2.0), threshold=3.0),
        dict(inside=True),
    ],
    ids=["default", "free", "range", "inside"],
)
@few
@given(points=points_of_a_clip())
def test_compact_is_that_of_the_loop(options, points):
    joints = np.concatenate([points, np.full((2, 2, 5, 1), 0.5, np.float32)], axis=-1)
    run = compiled(poses.compact, **options)
    got, size = run(jnp.asarray(joints), jnp.array(FRAME))
    want, box = reference.compact(points, FRAME, **options)
    np.testing.assert_allclose(got[..., :2], want, atol=1e-4)
    np.testing.assert_array_equal(got[..., 2], joints[..., 2])
    np.testing.assert_array_equal(size, box)


def test_compact_cuts_a_negative_corner_toward_zero():
    marks = np.array([[[[1.0, 2.0, 1.0], [31.0, 22.0, 1.0]]]], np.float32)
    joints, size = poses.compact(jnp.asarray(marks), jnp.array(FRAME))
    # Half extents of 15 and 10 grow to 18.75: from (-2.75, -6.75) to (34.75, 30.75).
    np.testing.assert_array_equal(size, [30 + 6, 34 + 2])
    np.testing.assert_array_equal(joints[0, 0, :, :2], [[3.0, 8.0], [33.0, 28.0]])


def test_resizing_moves_the_corner_to_the_corner():
    joints, size = poses.resize(*corners(2), to=(56, 64))
    np.testing.assert_array_equal(size, [[56, 64]] * 2)
    np.testing.assert_allclose(joints[0, 0, 0, :, :2], [[0, 0], [64, 56]], rtol=1e-6)
    np.testing.assert_array_equal(joints[..., 2], 1.0)


def test_the_short_side_is_exact_and_the_long_one_rounded():
    rng = np.random.default_rng(0)
    sizes = rng.integers(10, 2000, (200, 2))
    joints = np.ones((200, 1, 1, 1, 3), np.float32)
    joints[..., 0, :2] = sizes[:, None, None, ::-1]
    run = compiled(poses.resize_short, short=64)
    got, size = run(jnp.asarray(joints), jnp.asarray(sizes, jnp.int32))
    scale = 64 / sizes.min(axis=1, keepdims=True)
    np.testing.assert_array_equal(size, (sizes * scale + 0.5).astype(int))
    np.testing.assert_array_equal(np.min(size, axis=1), 64)
    np.testing.assert_allclose(got[:, 0, 0, 0, 1::-1], size, rtol=1e-5)


def test_random_crops_are_parts_of_the_frame():
    run = compiled(poses.random_resized_crop)
    joints, box = map(np.asarray, run(KEY, *corners()))
    first, last = joints[:, 0, 0, 0], joints[:, 0, 0, 1]
    # The corner is a whole pixel within the frame, the same in all frames of a clip.
    np.testing.assert_array_equal(joints, np.broadcast_to(joints[:, :1], joints.shape))
    np.testing.assert_array_equal(-first[:, :2], np.round(-first[:, :2]))
    assert (first[:, :2] <= 0).all() and (last[:, 1::-1] >= box).all()
    np.testing.assert_array_equal(last - first, [[320, 240, 0]] * CLIPS)
    share, aspect = box.prod(axis=1) / (240 * 320), box[:, 1] / box[:, 0]
    assert 0.55 < share.min() < 0.6 and 0.85 < share.max() <= 1
    # The frame is wide: high boxes fit less often, but both occur.
    assert 0.74 < aspect.min() < 0.85 and 1.25 < aspect.max() < 1.35
    assert len(np.unique(first, axis=0)) > CLIPS / 2


def test_aspects_are_even_in_their_logarithm():
    # No box of this area is too long for the frame: nothing is refused.
    run = compiled(poses.random_resized_crop, area=(0.1, 0.1), aspect=(0.25, 4.0))
    _, box = run(KEY, *corners(frame=(2000, 2000)))
    logs = np.log(np.asarray(box[:, 1] / box[:, 0])) / np.log(4)
    # Uniform on [-1, 1]: the standard errors of 400 draws are 0.029 and 0.013.
    assert abs(logs.mean()) < 0.12 and abs(logs.std() - 3**-0.5) < 0.05
    np.testing.assert_allclose(np.asarray(box).prod(axis=1) / 4e6, 0.1, rtol=2e-3)


def test_crops_that_never_fit_become_the_middle_square():
    run = compiled(poses.random_resized_crop, area=(1.0, 1.0), aspect=(3.0, 4.0))
    joints, box = run(KEY, *corners(2))
    np.testing.assert_array_equal(box, [[240, 240]] * 2)
    np.testing.assert_array_equal(joints[..., 0, :2], np.full((2, 2, 2, 2), [-40, 0]))


def test_more_attempts_find_more_boxes():
    options = dict(area=(0.6, 1.0), aspect=(0.5, 0.6))
    found = []
    for attempts in (1, 2, 10):
        run = compiled(poses.random_resized_crop, attempts=attempts, **options)
        _, box = run(KEY, *corners(frame=(240, 200)))
        found.append(np.mean(np.asarray(box[:, 0] != box[:, 1])))
    # A box of height sqrt(share / aspect * 200 * 240) fits one draw in ten or so.
    assert 0.02 < found[0] < found[1] < found[2] < 0.98


def test_a_centre_crop_may_leave_the_frame():
    joints, size = poses.center_crop(*corners(2), to=(101, 400))
    np.testing.assert_array_equal(size, [[101, 400]] * 2)
    # (240 - 101) // 2 = 69 and (320 - 400) // 2 = -40.
    want = [[40, -69, 1], [360, 171, 1]]
    np.testing.assert_array_equal(joints[1, 1, 0], want)


def test_a_flip_mirrors_what_was_found_and_swaps_sides():
    joints, size = clips()
    joints = joints.at[0, 0, 0, 3].set(jnp.array([0.0, 7.0, 0.25]))
    flipped = poses.flip(joints, size, pairs=FLIP)
    np.testing.assert_array_equal(flipped[0, 0, 0, 4], [0.0, 7.0, 0.25])
    want = np.asarray(joints[..., 2, :]) * [-1, 1, 1] + [320, 0, 0]
    np.testing.assert_allclose(flipped[..., 1, :], want, rtol=1e-6)
    again = poses.flip(flipped, size, pairs=FLIP)
    np.testing.assert_allclose(again, joints, atol=1e-4)


def test_a_random_flip_takes_whole_clips():
    joints, size = clips(count=CLIPS)
    run = compiled(poses.random_flip, pairs=FLIP, probability=0.3)
    out = np.asarray(run(KEY, joints, size))
    flipped = np.asarray(poses.flip(joints, size, pairs=FLIP))
    mirrored = (out == flipped).all(axis=(1, 2, 3, 4))
    same = (out == np.asarray(joints)).all(axis=(1, 2, 3, 4))
    np.testing.assert_array_equal(same, ~mirrored)
    # 400 coins: the standard error is 0.023.
    assert 0.2 < mirrored.mean() < 0.4


CHAIN = (
    poses.compact,
    functools.partial(poses.resize_short, short=64),
    functools.partial(poses.random_resized_crop, KEY),
    functools.partial(poses.resize, to=(56, 56)),
)


def test_a_batch_is_its_clips_one_by_one():
    joints, size = clips()
    chain = [step for step in CHAIN if step is not CHAIN[2]]

    def run(joints, size):
        for step in chain:
            joints, size = step(joints, size)
        return joints, size

    got, sizes = jax.jit(run)(joints, size)
    mapped, mapped_sizes = jax.jit(jax.vmap(run))(joints, size)
    np.testing.assert_allclose(got, mapped, atol=1e-4)
    np.testing.assert_array_equal(sizes, mapped_sizes)
    np.testing.assert_array_equal(sizes, [[56, 56]] * 3)
    # The box is a quarter wider than the poses: they end up inside the map.
    assert (got[..., :2] > 0).all() and (got[..., :2] < 56).all()


def test_types_stay_what_they_are():
    joints, size = clips()
    half = joints.astype(jnp.bfloat16)
    for step in CHAIN:
        out, box = jax.eval_shape(step, half, size)
        assert out.dtype == jnp.bfloat16 and out.shape == half.shape
        assert box.dtype == size.dtype and box.shape == size.shape


JOINTS, SIZE = jnp.ones((2, 3, 1, 5, 3)), jnp.ones((2, 2), jnp.int32)
WRONG = {
    "padding": (lambda: poses.compact(JOINTS, SIZE, padding=-1.0), "padding is -1.0"),
    "ratio": (lambda: poses.compact(JOINTS, SIZE, ratio=(2.0, 1.0)), "ratio is"),
    "to": (lambda: poses.resize(JOINTS, SIZE, to=(0, 5)), "resized to .0, 5."),
    "short": (lambda: poses.resize_short(JOINTS, SIZE, short=0), "short side of 0"),
    "crop": (lambda: poses.center_crop(JOINTS, SIZE, to=(0, 5)), "cropped to .0, 5."),
    "area": (
        lambda: poses.random_resized_crop(KEY, JOINTS, SIZE, area=(0.0, 1.0)),
        "area is .0.0, 1.0.",
    ),
    "aspect": (
        lambda: poses.random_resized_crop(KEY, JOINTS, SIZE, aspect=(2.0, 1.0)),
        "aspect is .2.0, 1.0.",
    ),
    "attempts": (
        lambda: poses.random_resized_crop(KEY, JOINTS, SIZE, attempts=0),
        "attempts is 0",
    ),
    "pair": (lambda: poses.flip(JOINTS, SIZE, pairs=((1, 5),)), "leaves the 5"),
    "axis": (lambda: poses.compact(JOINTS[..., :2], SIZE), "5, 2., not"),
    "size": (lambda: poses.compact(JOINTS, SIZE[0]), "size has shape .2,. where"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_impossible_changes_are_refused(call, message):
    with unchecked_types(), pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("joint", "message"),
    [
        ((np.nan, 2.0, 0.5), r"pose\[1, 0, 2\] is \(nan, 2, 0.5\): x and y must be"),
        ((1.0, np.inf, 0.5), r"pose\[1, 0, 2\] is \(1, inf, 0.5\)"),
        ((1.0, 2.0, 1.5), r"pose\[1, 0, 2\] is \(1, 2, 1.5\).*1 of 40 joints"),
        ((1.0, 2.0, -0.1), r"pose\[1, 0, 2\]"),
        ((1.0, 2.0, np.nan), r"pose\[1, 0, 2\]"),
    ],
)
def test_a_joint_that_cannot_be_drawn_is_named(joint, message):
    array = np.full((4, 2, 5, 3), 0.5, np.float32)
    assert poses.check_joints(array, name="pose") is array
    array[1, 0, 2] = joint
    with pytest.raises(ValueError, match=message):
        poses.check_joints(array, name="pose")


def test_joints_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"pose has shape \(4, 17, 2\), not"):
        poses.check_joints(np.zeros((4, 17, 2)), name="pose")


def test_the_flip_of_a_topology_fits():
    coco = skeletons.get("coco")
    joints = jnp.ones((1, 1, 17, 3)).at[0, 0, 9, 0].set(5.0)
    flipped = poses.flip(joints, jnp.array([20, 30]), pairs=coco.flip)
    assert coco.joints[10] == "right_wrist" and flipped[0, 0, 10, 0] == 25.0

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kdjax import heatmaps, poses, skeletons
from tests import reference_heatmaps as reference
from tests.losses.properties import few, unchecked_types

SIZE = (20, 18)
LIMBS = ((0, 1), (1, 2), (3, 4), (2, 0), (4, 4))
POSES = (2, 2, 5)
KINDS = {
    "joint": functools.partial(heatmaps.joint_heatmaps, size=SIZE),
    "limb": functools.partial(heatmaps.limb_heatmaps, limbs=LIMBS, size=SIZE),
}
ORACLES = {
    "joint": functools.partial(reference.joint_heatmaps, size=SIZE),
    "limb": functools.partial(reference.limb_heatmaps, limbs=LIMBS, size=SIZE),
}
either = pytest.mark.parametrize("kind", KINDS)


@functools.cache
def compiled(kind, **options):
    return jax.jit(functools.partial(KINDS[kind], **options))


def render(kind, joints, **options):
    return np.asarray(compiled(kind, **options)(jnp.asarray(joints)))


def random_poses(seed=0, shape=POSES, margin=4.0):
    """Poses [T M J 3], some of whose joints lie outside."""
    rng = np.random.default_rng(seed)
    high = (SIZE[1] + margin, SIZE[0] + margin)
    points = rng.uniform(-margin, high, (*shape, 2))
    score = rng.uniform(0.1, 1.0, (*shape, 1))
    return np.concatenate([points, score], -1).astype(np.float32)


def one_limb(start, end):
    """A pose of one frame and person, whose first limb alone has a score."""
    joints = np.zeros((1, 1, 5, 3), np.float32)
    joints[0, 0, :2] = start, end
    return joints


def assert_support(got, want):
    assert (got[want == 0] < 1e-30).all()
    assert (got[want > 1e-6] > 0).all()


@st.composite
def any_poses(draw):
    """Eighths of pixels, of which none is at an edge of a window, where floats tie."""
    places = hnp.arrays(np.int32, (*POSES, 2), elements=st.integers(-48, 208))
    scores = hnp.arrays(
        np.float32, (*POSES, 1), elements=st.sampled_from([0.0, 5e-4, 0.25, 0.75, 1.0])
    )
    eighths = draw(places).astype(np.float32) / 8
    return np.concatenate([eighths, draw(scores)], axis=-1)


@either
@few
@given(joints=any_poses())
def test_maps_are_those_of_the_loop(kind, joints):
    got, want = render(kind, joints), ORACLES[kind](joints)
    # Distances along limbs of up to 45 pixels are rounded to a millionth of a pixel.
    np.testing.assert_allclose(got, want, atol=2e-7 if kind == "joint" else 3e-6)
    assert_support(got, want)
    assert got.min() >= 0 and got.max() <= 1


@either
@pytest.mark.parametrize(
    "options",
    [
        dict(truncate=None),
        dict(sigma=1.3, truncate=1.5),
        dict(min_score=0.4),
        dict(truncate=None, min_score=0.0, min_length=0.0),
    ],
    ids=["plain", "narrow", "certain", "paper"],
)
def test_options_are_those_of_the_loop(kind, options):
    if kind == "joint":
        options = {k: v for k, v in options.items() if k != "min_length"}
    joints = random_poses(1)
    got, want = render(kind, joints, **options), ORACLES[kind](joints, **options)
    np.testing.assert_allclose(got, want, atol=3e-6)
    assert_support(got, want)


@either
def test_the_window_takes_away_what_is_small(kind):
    joints = random_poses(2)
    gap = render(kind, joints, truncate=None) - render(kind, joints)
    # Three sigmas away a Gaussian is exp(-4.5) of its peak; less of it is cut off.
    assert 1e-3 < gap.max() <= np.exp(-4.5) + 1e-6
    assert gap.min() >= -1e-6


@pytest.mark.parametrize(
    ("place", "pixels"),
    # Edges are floor(mu - 1.8) and floor(mu + 1.8): 4 pixels for a whole number, 5 for
    # a half. Below zero they are cut toward it: at -2.79 column 0 is still touched.
    [(9.0, range(7, 11)), (9.5, range(7, 12)), (-2.79, range(1)), (-2.81, range(0))],
)
def test_the_support_is_the_square_window_cut_toward_zero(place, pixels):
    joints = np.zeros((1, 1, 5, 3), np.float32)
    joints[0, 0, 0] = place, 9.0, 1.0
    joints[0, 0, 1] = 9.0, place, 1.0
    maps = render("joint", np.tile(joints, (2, 2, 1, 1)))[0] > 0
    columns = np.isin(np.arange(SIZE[1]), pixels)
    rows = np.isin(np.arange(SIZE[0]), pixels)
    middle = [np.isin(np.arange(n), range(7, 11)) for n in SIZE]
    np.testing.assert_array_equal(maps[..., 0], np.outer(middle[0], columns))
    np.testing.assert_array_equal(maps[..., 1], np.outer(rows, middle[1]))
    assert not maps[..., 2:].any()


def test_rows_are_y_and_the_peak_is_the_score():
    joints = one_limb((3, 7, 0.75), (12, 16, 0.5))
    maps = np.asarray(KINDS["joint"](jnp.asarray(joints)))[0]
    assert np.unravel_index(maps[..., 0].argmax(), SIZE) == (7, 3)
    assert maps[7, 3, 0] == 0.75 and maps[16, 12, 1] == 0.5


@pytest.mark.parametrize(
    ("length", "peak"), [(0.0, 0.9), (0.9, 0.9), (1.0, 0.3), (1.1, 0.3)]
)
def test_a_limb_below_a_pixel_is_its_first_joint(length, peak):
    joints = one_limb((6, 8, 0.9), (6 + length, 8, 0.3))
    limb = render("limb", np.tile(joints, (2, 2, 1, 1)))[0, ..., 0]
    np.testing.assert_allclose(limb.max(), peak, rtol=1e-6)
    if length < 1:
        joint = np.asarray(KINDS["joint"](jnp.asarray(joints)))[0, ..., 0]
        np.testing.assert_allclose(limb, joint, atol=2e-7)


@either
@few
@given(joints=any_poses())
def test_the_order_of_persons_does_not_matter(kind, joints):
    swapped = render(kind, joints[:, ::-1])
    np.testing.assert_array_equal(swapped, render(kind, joints))


@either
def test_a_person_without_score_changes_nothing(kind):
    joints = random_poses(3)
    alone = np.concatenate([joints[:, :1], np.zeros_like(joints[:, :1])], axis=1)
    somewhere = joints.copy()
    somewhere[:, 1, :, 2] = 0.0
    np.testing.assert_array_equal(render(kind, somewhere), render(kind, alone))
    one = ORACLES[kind](joints[:, :1])
    np.testing.assert_allclose(render(kind, alone), one, atol=3e-6)


@either
def test_who_is_far_outside_is_not_seen(kind):
    joints = random_poses(4)
    for far in (-40.0, 60.0, 1e8):
        away = joints.copy()
        away[..., :2] += far
        assert not render(kind, away).any()


@either
def test_eager_jit_vmap_and_pmap_agree(kind):
    joints = jnp.asarray(np.stack([random_poses(s) for s in (5, 6)]))
    want = np.stack([render(kind, clip) for clip in joints])
    eager = KINDS[kind](joints)
    np.testing.assert_allclose(eager, want, atol=1e-6)
    np.testing.assert_allclose(jax.jit(KINDS[kind])(joints), want, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(KINDS[kind])(joints), want, atol=1e-6)
    np.testing.assert_allclose(jax.pmap(KINDS[kind])(joints), want, atol=1e-6)


@functools.cache
def slope(kind):
    """The gradient of a weighted sum of the maps."""

    def total(joints, weight):
        return jnp.sum(KINDS[kind](joints) * weight)

    return jax.jit(jax.grad(total))


@either
def test_the_gradient_is_the_slope_of_the_loop(kind):
    # In the middle of the eighths no step of 1e-3 crosses an edge of a window.
    joints = np.round(random_poses(7, margin=0.0) * 8 + 0.5) / 8
    rng = np.random.default_rng(8)
    channels = 5
    weight = rng.standard_normal((2, *SIZE, channels)).astype(np.float32)
    got = np.asarray(slope(kind)(jnp.asarray(joints), jnp.asarray(weight)))
    step = np.float32(2.0**-10)
    assert np.abs(got).max() > 0.1
    for place in [(0, 0, 0, 0), (0, 1, 1, 1), (1, 0, 3, 0), (1, 1, 4, 2)]:
        up, down = joints.copy(), joints.copy()
        up[place] += step
        down[place] -= step
        values = [(ORACLES[kind](x) * weight).sum() for x in (up, down)]
        want = (values[0] - values[1]) / (2 * step)
        np.testing.assert_allclose(got[place], want, atol=1e-3, rtol=1e-3)


@either
def test_gradients_are_finite_wherever_the_joints_are(kind):
    joints = random_poses(9)
    joints[0, 0] = 0.0  # nobody
    joints[0, 1, :, :2] = 5.0  # all limbs are points
    joints[1, 0, 0, :2] = 1e30
    joints[1, 0, 1, :2] = -1e30
    weight = jnp.ones((2, *SIZE, 5))
    assert np.isfinite(slope(kind)(jnp.asarray(joints), weight)).all()
    assert np.isfinite(render(kind, joints)).all()


@either
def test_half_precision_is_rounded_at_the_end(kind):
    joints = random_poses(10)
    got = compiled(kind, dtype=jnp.bfloat16)(jnp.asarray(joints))
    assert got.dtype == jnp.bfloat16
    want = jnp.asarray(render(kind, joints)).astype(jnp.bfloat16)
    # Programs of their own may differ by a rounding: one step of bfloat16 at the most.
    want = np.asarray(want, np.float32)
    np.testing.assert_allclose(np.asarray(got, np.float32), want, rtol=2**-7)


@either
def test_nothing_larger_than_the_maps_is_stored(kind):
    shape = jax.ShapeDtypeStruct((16, 3, 5, 3), jnp.float32)
    memory = jax.jit(KINDS[kind]).lower(shape).compile().memory_analysis()
    assert memory.temp_size_in_bytes < memory.output_size_in_bytes


def test_mirrored_maps_are_those_of_the_mirrored_pose():
    coco = skeletons.get("coco")
    joints = jnp.asarray(random_poses(11, (1, 1, 17)))
    draw = functools.partial(heatmaps.joint_heatmaps, size=SIZE, truncate=None)
    maps = draw(joints)
    both = heatmaps.double_heatmaps(maps, pairs=coco.flip)
    np.testing.assert_array_equal(both[0], maps)
    width = jnp.array(SIZE)
    flipped = poses.flip(joints, width, pairs=coco.flip)
    # The flip of coordinates is one pixel to the right of the mirrored map.
    np.testing.assert_allclose(
        both[1], draw(flipped - jnp.array([[[[1.0, 0, 0]]]])), atol=1e-5
    )
    assert np.abs(both[1] - draw(flipped)).max() > 0.3
    again = heatmaps.mirror_heatmaps(both[1], pairs=coco.flip)
    np.testing.assert_array_equal(again, maps)


WRONG = {
    "three axes": (dict(joints=np.ones((2, 5, 3))), "shape .2, 5, 3., not"),
    "no score": (dict(joints=np.ones((2, 1, 5, 2))), "shape .2, 1, 5, 2., not"),
    "nobody": (dict(joints=np.ones((2, 0, 5, 3))), "shape .2, 0, 5, 3., not"),
    "size 0": (dict(size=(0, 9)), "size is .0, 9., not a positive height"),
    "one size": (dict(size=(9,)), "size is .9,., not a positive height"),
    "sigma": (dict(sigma=0.0), "sigma is 0.0 pixels, not positive"),
    "truncate": (dict(truncate=-1.0), "truncate is -1.0 sigmas, not positive"),
    "min_score": (dict(min_score=-0.1), "min_score is -0.1, negative"),
    "limb": (dict(limbs=((0, 1), (0, 5))), "limb .0, 5. names no two of the 5"),
    "negative limb": (dict(limbs=((-1, 0),)), "limb .-1, 0. names no two of the 5"),
    "no limbs": (dict(limbs=()), "no limbs"),
    "min_length": (dict(min_length=-1.0), "min_length is -1.0 pixels, negative"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_drawn_is_refused(change, message):
    change = {"joints": np.ones((2, 1, 5, 3)), **change}
    joints = jnp.asarray(change.pop("joints"))
    kinds = KINDS if not change.keys() & {"limbs", "min_length"} else ("limb",)
    for kind in kinds:
        with unchecked_types(), pytest.raises(ValueError, match=message):
            jax.eval_shape(functools.partial(KINDS[kind], **change), joints)

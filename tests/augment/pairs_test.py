"""Pictures of two cameras: what is drawn is shared, each keeps its own pixels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.augment import pairs

KEY = jax.random.key(4)


def ramps(rows=32, height=32, width=48, coarser=2):
    """Two cameras whose pixels hold their own row, and their own column, as shares."""

    def picture(height, width):
        y, x = np.mgrid[:height, :width]
        # Where the middle of a pixel lies, in 200ths of the picture.
        shares = np.stack([(y + 0.5) / height, (x + 0.5) / width], axis=-1)
        clip = np.broadcast_to(200 * shares, (rows, 1, 2, height, width, 2))
        return jnp.asarray(clip, jnp.float32)

    return {
        "rgb": picture(height, width),
        "ir": picture(height // coarser, width // coarser),
    }


def cropped(batch, key=KEY, size=(16, 16), **options):
    function = functools.partial(
        pairs.multi_scale_crop, names=("rgb", "ir"), size=size, **options
    )
    return jax.jit(function)(key, batch)


def extents(clips):
    """Where a crop begins and how far it reaches, as shares of the picture, [B 2]."""
    clips = np.asarray(clips)[:, 0, 0] / 200
    rows, columns = clips[:, :, 8, 0], clips[:, 8, :, 1]
    low = np.stack([rows[:, 0], columns[:, 0]], -1)
    return low, np.stack([rows[:, -1], columns[:, -1]], -1) - low


def test_both_cameras_are_cropped_to_the_same_share_of_their_pictures():
    out = cropped(ramps())
    assert {name: out[name].shape for name in ("rgb", "ir")} == {
        "rgb": (32, 1, 2, 16, 16, 2),
        "ir": (32, 1, 2, 16, 16, 2),
    }
    (low, reach), (other_low, other_reach) = (extents(out[n]) for n in ("rgb", "ir"))
    # To whole pixels of the coarser camera, whose picture has 16 rows.
    np.testing.assert_allclose(low, other_low, atol=2.1 / 16)
    np.testing.assert_allclose(reach, other_reach, atol=2.1 / 16)
    assert len(np.unique(np.round(low, 2), axis=0)) > 8
    np.testing.assert_array_equal(out["rgb"][:, :, 0], out["rgb"][:, :, 1])


def test_windows_are_those_of_tsn():
    space, windows = (256, 340), {}
    for high in pairs.SCALES:
        for place in pairs.PLACES:
            share = jnp.full((1, 1, 2), high)
            corner, part = pairs.window(space, share, jnp.array(place)[None, None])
            windows[high, place] = (*map(int, corner[0, 0]), *map(int, part[0, 0]))
    # By hand from the public rule: sides int(256 s), places int((W - w) / 4) apart.
    assert windows[1.0, (0, 4)] == (0, 84, 256, 256)
    assert windows[0.875, (2, 2)] == (16, 58, 224, 224)
    assert windows[0.75, (4, 4)] == (64, 148, 192, 192)
    assert windows[0.66, (1, 3)] == (22, 129, 168, 168)


def test_neighbouring_scales_alone_are_mixed():
    def drawn(distortion):
        """Which of the scales height and width have."""
        crops = cropped(ramps(rows=256), distortion=distortion)["rgb"]
        _, reach = extents(crops)
        # From the middle of the first pixel to that of the last.
        sides = reach * np.array([32, 48])[None] / (32 * 15 / 16)
        nearest = np.abs(sides[..., None] - np.array(pairs.SCALES)).argmin(-1)
        return {tuple(map(int, pair)) for pair in nearest}

    assert drawn(0) == {(i, i) for i in range(4)}
    assert drawn(1) == {(i, j) for i in range(4) for j in range(4) if abs(i - j) < 2}


def test_bytes_stay_bytes():
    batch = {name: clip.astype(jnp.uint8) for name, clip in ramps(rows=2).items()}
    assert {clip.dtype for clip in cropped(batch).values()} == {jnp.dtype("uint8")}
    middle = pairs.middle(batch, name="ir", short=20, size=(16, 16))
    assert middle["ir"].dtype == jnp.uint8 and middle["rgb"] is batch["rgb"]


def test_the_middle_is_scaled_and_cut_out():
    out = pairs.middle(ramps(rows=1), name="rgb", short=16, size=(12, 12))
    (low,), (reach,) = extents_of_middle(out["rgb"])
    # 32x48 becomes 16x24; two rows and six columns are cut off on either side.
    np.testing.assert_allclose(low, [2.5 / 16, 6.5 / 24], atol=1e-3)
    np.testing.assert_allclose(reach, [11 / 16, 11 / 24], atol=1e-3)


def extents_of_middle(clips):
    clips = np.asarray(clips)[:, 0, 0] / 200
    low = np.stack([clips[:, 0, 6, 0], clips[:, 6, 0, 1]], -1)
    return low, np.stack([clips[:, -1, 6, 0], clips[:, 6, -1, 1]], -1) - low


def test_what_training_has_cut_stays_as_it_is():
    batch = cropped(ramps(rows=3))
    out = pairs.middle(batch, name="rgb", short=20, size=(16, 16))
    assert out["rgb"] is batch["rgb"]


def test_a_middle_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="16x24 pixels has no crop"):
        pairs.middle(ramps(rows=1), name="rgb", short=16, size=(20, 20))

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdjax.losses import features
from kdjax.losses._common import adaptive_mean
from tests import reference
from tests.losses.properties import few, floats, unchecked_types


def test_hint_by_hand():
    student = jnp.array([[[1.0, 2.0]], [[0.0, 0.0]]])
    teacher = jnp.array([[[1.0, 4.0]], [[3.0, 0.0]]])
    np.testing.assert_allclose(features.hint(student, teacher), [2.0, 4.5])
    both = features.hint(student, teacher, batch_ndim=2)
    np.testing.assert_allclose(both, [[2.0], [4.5]])


def test_semantic_by_hand():
    student, teacher = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[1.0, 0.0, 6.0]])
    np.testing.assert_allclose(features.semantic(student, teacher), [13.0])


@pytest.mark.parametrize(("length", "size"), [(8, 4), (7, 3), (5, 4), (6, 6), (9, 1)])
def test_pooling_has_the_windows_of_pytorch(length, size):
    x = np.random.default_rng(0).standard_normal((2, length, 3)).astype(np.float32)
    got = adaptive_mean(jnp.asarray(x), 1, size)
    want = reference.adaptive_mean(x, 1, size)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_pooling_of_seven_to_three_by_hand():
    # PyTorch's windows: [0, 3), [2, 5), [4, 7).
    got = adaptive_mean(jnp.arange(7.0), 0, 3)
    np.testing.assert_allclose(got, [1.0, 3.0, 5.0], rtol=1e-6)


@few
@given(floats((2, 3, 4, 5)), st.floats(0.125, 64.0))
def test_attention_is_a_unit_vector_that_ignores_scale(maps, scale):
    maps = jnp.asarray(maps)
    rows = features.attention_map(maps)
    assert rows.shape == (2, 12)
    norms = np.linalg.norm(rows, axis=-1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms <= 1))
    large = np.abs(maps).max(axis=(1, 2, 3)) > 1e-3
    np.testing.assert_allclose(norms[large], 1.0, rtol=1e-5)
    scaled = features.attention_map(maps * scale)
    np.testing.assert_allclose(scaled[large], rows[large], rtol=1e-4, atol=1e-5)


@few
@given(floats((2, 6, 3)), st.permutations(range(3)))
def test_attention_transfer_ignores_channels_signs_and_order(maps, order):
    maps = jnp.asarray(maps)
    twin = -maps[..., jnp.asarray(order)]
    np.testing.assert_allclose(features.attention_transfer(maps, twin), 0, atol=1e-9)


def test_attention_transfer_serves_any_number_of_spatial_axes():
    rng = np.random.default_rng(1)
    for spatial in ((6,), (4, 3), (2, 3, 4)):
        student = jnp.asarray(rng.standard_normal((2, *spatial, 3)), jnp.float32)
        teacher = jnp.asarray(rng.standard_normal((2, *spatial, 5)), jnp.float32)
        out = features.attention_transfer(student, teacher)
        want = reference.attention_transfer(np.asarray(student), np.asarray(teacher))
        np.testing.assert_allclose(out, want, rtol=1e-5)


def test_attention_transfer_keeps_leading_axes():
    rng = np.random.default_rng(2)
    student = jnp.asarray(rng.standard_normal((2, 3, 6, 4)), jnp.float32)
    teacher = jnp.asarray(rng.standard_normal((2, 3, 3, 7)), jnp.float32)
    out = features.attention_transfer(student, teacher, batch_ndim=2)
    assert out.shape == (2, 3)
    one = features.attention_transfer(student[1], teacher[1])
    np.testing.assert_allclose(out[1], one, rtol=1e-6)


def test_an_empty_map_attends_nowhere():
    assert not np.any(features.attention_map(jnp.zeros((2, 3, 4))))


def frames(seed, width=4):
    values = np.random.default_rng(seed).normal(size=(2, 3, width))
    return jnp.asarray(values, jnp.float32)


def test_feature_distillation_by_hand():
    attn, av = jnp.array([[[3.0, 0.0], [0.0, 1.0]]]), jnp.array([[[0.0, 2.0]] * 2])
    zero = jnp.zeros_like(attn)
    got = features.feature_distillation((attn, av), (zero, zero))
    np.testing.assert_allclose(got, [(9 + 1 + 4 + 4) / 2])
    mean = features.feature_distillation((attn, av), (zero, zero), reduction="mean")
    np.testing.assert_allclose(mean, got / 2)
    first = features.feature_distillation(
        (attn, av), (zero, zero), mask=jnp.array([[1.0, 0.0]])
    )
    np.testing.assert_allclose(first, [9 + 4])


def test_a_mean_over_the_width_counts_every_feature_by_its_own():
    wide, narrow = frames(0, 8), frames(1, 2)
    none = jnp.zeros_like(wide), jnp.zeros_like(narrow)
    got = features.feature_distillation((wide, narrow), none, reduction="mean")
    want = jnp.square(wide).mean(axis=(1, 2)) + jnp.square(narrow).mean(axis=(1, 2))
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("garbage", [0.0, 1e4])
def test_padded_frames_change_no_feature_loss(garbage):
    student, teacher, mask = frames(2), frames(3), jnp.array([[1.0, 1.0, 0.0]] * 2)
    dirty = student.at[:, 2].set(garbage)
    got = features.feature_distillation((dirty,), (teacher,), mask=mask)
    want = features.feature_distillation((student[:, :2],), (teacher[:, :2],))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    nothing = jnp.zeros_like(mask)
    gradient = jax.jit(
        jax.grad(lambda s: features.hallucination(s, teacher, mask=nothing).sum())
    )(dirty)
    assert not np.any(gradient)


def test_views_keep_their_axis():
    student, teacher = frames(4)[None], frames(5)[None]
    got = features.feature_distillation((student,), (teacher,))
    assert got.shape == (1, 2)
    want = features.feature_distillation((student[0],), (teacher[0],))
    np.testing.assert_allclose(got[0], want, rtol=1e-6)


def test_a_plain_hallucination_is_the_distillation_of_one_feature():
    student, teacher = frames(6), frames(7)
    got = features.hallucination(student, teacher)
    want = features.feature_distillation((student,), (teacher,))
    np.testing.assert_array_equal(got, want)
    squashed = features.hallucination(student, teacher, form="sigmoid")
    assert (squashed < got).all() and (squashed <= 4).all()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="exponent must be at least 1"):
        features.attention_map(jnp.ones((2, 3, 4)), exponent=0)
    with pytest.raises(ValueError, match="no spatial axis"):
        features.attention_map(jnp.ones((2, 4)))
    with pytest.raises(ValueError, match="0 stages of the student"):
        features.attention_transfer_stages((), ())
    with pytest.raises(ValueError, match="1 stages of the student stand against 2"):
        maps = jnp.ones((2, 3, 4))
        features.attention_transfer_stages((maps,), (maps, maps))
    with pytest.raises(ValueError, match="differ in their axes"):
        features.attention_transfer(jnp.ones((2, 3, 4)), jnp.ones((2, 3, 3, 4)))
    with pytest.raises(ValueError, match="teacher's batch has shape"):
        features.attention_transfer(jnp.ones((2, 3, 4)), jnp.ones((1, 3, 4)))
    with pytest.raises(ValueError, match="0 features of the student"):
        features.feature_distillation((), ())
    with pytest.raises(ValueError, match="reduction must be one of sum, mean"):
        features.feature_distillation((frames(0),), (frames(0),), reduction="max")
    with pytest.raises(ValueError, match="form must be one of squared, sigmoid"):
        features.hallucination(frames(0), frames(0), form="tanh")


def test_wrong_shapes_are_named():
    with unchecked_types():
        for loss in (features.hint, features.semantic):
            with pytest.raises(ValueError, match=r"teacher has shape \(1, 3\)"):
                loss(jnp.zeros((2, 3)), jnp.zeros((1, 3)))
        x = frames(0)
        with pytest.raises(ValueError, match=r"mask has shape \(2, 2\)"):
            features.feature_distillation((x,), (x,), mask=jnp.ones((2, 2)))

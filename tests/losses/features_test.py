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


def test_wrong_shapes_are_named():
    with unchecked_types():
        for loss in (features.hint, features.semantic):
            with pytest.raises(ValueError, match=r"teacher has shape \(1, 3\)"):
                loss(jnp.zeros((2, 3)), jnp.zeros((1, 3)))

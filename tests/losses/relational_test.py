import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdjax.losses import relational
from tests import reference
from tests.losses.properties import few, floats, unchecked_types

SYMMETRIC = {
    "rkd_distance": relational.rkd_distance,
    "rkd_angle": relational.rkd_angle,
    "similarity_preserving": relational.similarity_preserving,
    "correlation_kernel": relational.correlation_kernel,
}
ALL = {**SYMMETRIC, "correlation_consecutive": relational.correlation_consecutive}
symmetric_losses = pytest.mark.parametrize("loss", SYMMETRIC.values(), ids=SYMMETRIC)
all_losses = pytest.mark.parametrize("loss", ALL.values(), ids=ALL)


def rows(seed, count=5, width=4):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.standard_normal((count, width)), jnp.float32)


@symmetric_losses
@few
@given(st.permutations(range(5)), st.integers(0, 100))
def test_the_order_of_the_batch_does_not_matter(loss, order, seed):
    student, teacher, order = rows(seed), rows(seed + 1000, width=3), jnp.array(order)
    moved = loss(student[order], teacher[order])
    np.testing.assert_allclose(moved, loss(student, teacher), rtol=1e-4, atol=1e-7)


def test_the_consecutive_form_depends_on_the_order():
    student, teacher = jnp.eye(4), jnp.zeros((4, 4))
    order = jnp.array([0, 1, 3, 2])
    student = student.at[1].set(student[0])
    there = relational.correlation_consecutive(student, teacher)
    moved = student[order[jnp.array([0, 2, 1, 3])]]
    assert there == pytest.approx(1 / 3)
    assert relational.correlation_consecutive(moved, teacher) == 0.0


@symmetric_losses
@few
@given(floats((4, 3)))
def test_not_negative_and_zero_for_the_same_features(loss, features):
    features = jnp.asarray(features)
    assert loss(features, features) == 0.0
    assert loss(features, features[:, :2]) >= 0.0


@symmetric_losses
def test_scale_of_the_student_does_not_matter(loss):
    student, teacher = rows(0), rows(1)
    scaled = loss(7.0 * student, teacher)
    np.testing.assert_allclose(scaled, loss(student, teacher), rtol=1e-5)


@pytest.mark.parametrize("loss", [relational.rkd_distance, relational.rkd_angle])
def test_rotations_and_shifts_do_not_matter_to_rkd(loss):
    student, teacher = rows(2, width=3), rows(3, width=3)
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((3, 3)))[0]
    moved = student @ jnp.asarray(turn, jnp.float32) + jnp.full((5, 3), 2.0)
    np.testing.assert_allclose(loss(moved, teacher), loss(student, teacher), rtol=1e-4)


@all_losses
def test_masked_rows_leave_no_trace(loss):
    student, teacher = rows(5), rows(6)
    mask = jnp.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    junk = jnp.full((2, 4), 1e4)
    padded = jnp.concatenate([student, junk]), jnp.concatenate([teacher, -junk])
    gradient = jax.jit(jax.value_and_grad(lambda s: loss(s, padded[1], mask=mask)))
    value, grads = gradient(padded[0])
    want, want_grads = jax.jit(jax.value_and_grad(loss))(student, teacher)
    np.testing.assert_allclose(value, want, rtol=1e-5)
    np.testing.assert_allclose(grads[:5], want_grads, rtol=1e-4, atol=1e-7)
    assert not np.any(grads[5:])


@pytest.mark.usefixtures("optimised")
@all_losses
@pytest.mark.parametrize("kept", [0, 1])
def test_a_batch_of_padding_or_of_one_row_costs_nothing(loss, kept):
    mask = jnp.array([1.0] * kept + [0.0] * (5 - kept))
    gradient = jax.jit(jax.value_and_grad(lambda s: loss(s, rows(8), mask=mask)))
    value, grads = gradient(rows(7))
    # Rounding leaves an ulp between the diagonals of two normalised networks.
    assert abs(value) < 1e-12
    assert np.isfinite(grads).all()
    assert loss(rows(7, count=1), rows(8, count=1)) == 0.0


def test_distances_are_divided_by_the_mean_of_distinct_rows():
    # Rows on a line at 0, 1, 3: distances 1, 2, 3 twice each, mean 2 over the six
    # pairs and 4/3 over all nine entries.
    student = jnp.array([[0.0], [1.0], [3.0]])
    teacher = jnp.array([[0.0], [1.0], [2.0]])
    over_pairs = float(relational.rkd_distance(student, teacher))
    gaps = np.array([0.5 - 0.75, 1.0 - 0.75, 1.5 - 1.5])
    assert over_pairs == pytest.approx(2 * 0.5 * (gaps**2).sum() / 9, rel=1e-5)
    over_all = relational.rkd_distance(student, teacher, mean="all")
    assert over_all == pytest.approx(over_pairs * (3 / 2) ** 2, rel=1e-5)


def test_equal_rows_count_as_distinct():
    # The clamp leaves 1e-6 between equal rows, which is above zero.
    features = jnp.array([[1.0, 2.0], [1.0, 2.0], [4.0, 6.0]])
    distances = relational.distance_matrix(features)
    assert distances[0, 1] == pytest.approx(1e-6)
    np.testing.assert_allclose(np.diagonal(distances), 0.0)
    assert distances[0, 2] == pytest.approx(5.0)


def test_close_rows_far_from_the_origin_keep_their_distance():
    # A Gram matrix would have lost the distance: 1e6 has a spacing of 0.0625.
    features = jnp.array([[1000.0, 0.0], [1000.0, 0.01]])
    distance = relational.distance_matrix(features)[0, 1]
    assert distance == pytest.approx(0.01, rel=1e-5)


@few
@given(floats((4, 3)))
def test_matrices_equal_the_loops(features):
    device = jnp.asarray(features)
    for name in ("distance_matrix", "correlation_matrix"):
        want = getattr(reference, name)(features)
        got = getattr(relational, name)(device)
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


def test_similarity_rows_have_unit_length():
    matrix = relational.similarity_matrix(rows(9))
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1.0, rtol=1e-5)


def test_the_series_tends_to_the_gaussian_kernel():
    # On unit vectors exp(-gamma |x - y|^2) = exp(-2 gamma) exp(2 gamma <x, y>).
    features = rows(10)
    unit = np.asarray(features / jnp.linalg.norm(features, axis=1, keepdims=True))
    gaps = ((unit[:, None] - unit[None]) ** 2).sum(-1)
    got = relational.correlation_matrix(features, gamma=0.4, order=12)
    np.testing.assert_allclose(got, np.exp(-0.4 * gaps), rtol=1e-5)


def test_consecutive_form_trains_both_embeddings():
    grads = jax.grad(relational.correlation_consecutive, argnums=(0, 1))(
        rows(11), rows(12)
    )
    np.testing.assert_allclose(grads[0], -grads[1], rtol=1e-6)
    assert np.any(grads[0])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="mean must be one of positive, all"):
        relational.rkd_distance(rows(0), rows(1), mean="median")
    with pytest.raises(ValueError, match="must not be negative"):
        relational.correlation_matrix(rows(0), gamma=-0.1)
    with pytest.raises(ValueError, match="must not be negative"):
        relational.correlation_kernel(rows(0), rows(1), order=-1)


@all_losses
def test_wrong_shapes_are_named(loss):
    with unchecked_types():
        with pytest.raises(ValueError, match=r"has shape \(4"):
            loss(rows(0), rows(1, count=4))
        with pytest.raises(ValueError, match=r"mask has shape \(4,\)"):
            loss(rows(0), rows(1), mask=jnp.ones(4))


def test_a_row_makes_no_direction_with_itself_however_it_is_compiled():
    # Compiled into one program, either side of x - x is a mean of its own.
    rng = np.random.default_rng(3)
    maps = jnp.asarray(np.maximum(rng.normal(size=(5, 6, 6, 8)), 0), jnp.float32)
    teacher = jnp.asarray(rng.normal(size=(5, 8)), jnp.float32)

    def pooled(maps):
        return relational.rkd_angle(maps.mean(axis=(1, 2)), teacher)

    want = reference.rkd_angle(np.asarray(maps.mean(axis=(1, 2))), np.asarray(teacher))
    np.testing.assert_allclose(jax.jit(pooled)(maps), want, rtol=1e-5)
    gradient = jax.jit(jax.grad(pooled))(maps)
    np.testing.assert_allclose(gradient, jax.grad(pooled)(maps), rtol=1e-3, atol=1e-7)

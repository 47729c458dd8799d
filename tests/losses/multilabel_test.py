import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import parallel
from kdjax.losses import multilabel
from tests import reference_multilabel as reference
from tests.losses.properties import unchecked_types

TEMPERATURES = ("positive_temperature", "negative_temperature")
LOSS = jax.jit(multilabel.two_way, static_argnames=("groups", *TEMPERATURES))
GRADIENT = jax.jit(jax.grad(multilabel.two_way))
GENERALISED = jax.jit(multilabel.generalised_cross_entropy, static_argnames="q")


def draw(seed=0, samples=8, classes=5):
    rng = np.random.default_rng(seed)
    x = 3 * rng.standard_normal((samples, classes))
    y = rng.random((samples, classes)) < 0.3
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)


def test_two_way_of_one_positive_and_one_negative_by_hand():
    # One class over two samples, then the sample of the positive over one class, where
    # the mask's -100 stands alone: softplus(-100 + ...) is nothing.
    x, y = jnp.array([[1.0], [3.0]]), jnp.array([[1.0], [0.0]])
    np.testing.assert_allclose(LOSS(x, y), np.log1p(np.exp(3.0 - 1.0)), rtol=1e-6)


def test_temperatures_are_those_of_the_positives_and_of_the_negatives():
    x, y = draw(1)
    hot = dict(zip(TEMPERATURES, (2.0, 0.5)))
    np.testing.assert_allclose(
        LOSS(x, y, **hot), reference.two_way(x, y, **hot), rtol=1e-5
    )


@pytest.mark.parametrize("value", [0.0, 1e4])
def test_without_a_positive_the_loss_and_its_gradient_are_zero(value):
    x, y = jnp.full((4, 3), value), jnp.zeros((4, 3))
    assert LOSS(x, y) == 0
    assert not np.any(GRADIENT(x, y))


def test_a_class_without_negatives_costs_nothing_of_its_own():
    x, y = draw(2)
    y = y.at[:, 0].set(1.0)
    np.testing.assert_allclose(LOSS(x, y), reference.two_way(x, y), rtol=1e-5)
    everything = jnp.ones_like(y)
    assert LOSS(x, everything) < 1e-6


def test_a_sample_without_a_positive_still_is_a_negative_of_its_classes():
    x, y = draw(3)
    y = y.at[0].set(0.0)
    gradient = GRADIENT(x, y)
    assert (gradient[0] >= 0).all() and np.any(gradient[0])


@pytest.mark.parametrize("garbage", [0.0, 1e4, -1e4, np.nan])
def test_a_padded_sample_competes_nowhere(garbage):
    x, y = draw(4)
    mask = jnp.ones(8).at[jnp.array([2, 7])].set(0.0)
    dirty = jnp.where(mask[:, None] > 0, x, garbage)
    labels = jnp.where(mask[:, None] > 0, y, 1.0)
    want = reference.two_way(x[mask > 0], y[mask > 0])
    np.testing.assert_allclose(LOSS(dirty, labels, mask=mask), want, rtol=1e-5)
    gradient = GRADIENT(dirty, labels, mask=mask)
    clean = GRADIENT(x[mask > 0], y[mask > 0])
    np.testing.assert_allclose(gradient[mask > 0], clean, rtol=1e-5, atol=1e-7)
    assert not np.any(gradient[mask == 0])


@pytest.mark.parametrize("shift", [-500.0, 500.0])
def test_padding_is_below_the_lowest_of_logits(shift):
    x, y = draw(4)
    mask = jnp.ones(8).at[jnp.array([2, 7])].set(0.0)
    got = LOSS(x + shift, y, mask=mask)
    want = reference.two_way(x[mask > 0] + shift, y[mask > 0])
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_a_batch_of_padding_is_zero():
    x, y = draw(5)
    assert LOSS(x, y, mask=jnp.zeros(8)) == 0
    assert not np.any(GRADIENT(x, y, mask=jnp.zeros(8)))


def test_groups_are_batches_of_their_own():
    x, y = draw(6)
    parts = [reference.two_way(x[part], y[part]) for part in (slice(4), slice(4, 8))]
    np.testing.assert_allclose(LOSS(x, y, groups=2), np.mean(parts), rtol=1e-5)
    assert abs(LOSS(x, y) - np.mean(parts)) > 0.1


def test_a_mesh_sees_the_global_batch_and_pmap_the_shard():
    x, y = draw(7, samples=16)
    mesh = parallel.data_mesh()
    shards = [jax.device_put(a, parallel.split_batch(mesh)) for a in (x, y)]
    np.testing.assert_allclose(LOSS(*shards), reference.two_way(x, y), rtol=1e-5)
    split = (a.reshape(8, 2, 5) for a in (x, y))
    alone = jax.pmap(multilabel.two_way)(*split).mean()
    np.testing.assert_allclose(LOSS(*shards, groups=8), alone, rtol=1e-5)


def test_two_way_of_frames_is_that_of_many_samples():
    # The shape of a training batch: clips by frames, most frames without an action.
    x, y = draw(8, samples=12 * 6)
    y = y * (jnp.arange(72) % 3 == 0)[:, None]
    np.testing.assert_allclose(LOSS(x, y), reference.two_way(x, y), rtol=1e-5)


def test_generalised_cross_entropy_lies_between_entropy_and_error():
    p, y = jnp.array([[0.2, 0.9, 0.4]]), jnp.array([[1.0, 1.0, 0.0]])
    error = GENERALISED(p, y, q=1.0)
    np.testing.assert_allclose(error, [(0.8 + 0.1) / 2 + 0.4], rtol=1e-5)
    entropy = GENERALISED(p, y, q=1e-3)
    want = -(np.log(0.2) + np.log(0.9)) / 2 - np.log(0.6)
    np.testing.assert_allclose(entropy, [want], rtol=2e-3)


def test_padded_frames_count_on_neither_side():
    p, y = jnp.array([[0.2, 0.9, 0.4, 0.7]]), jnp.array([[1.0, 0.0, 1.0, 0.0]])
    mask = jnp.array([[1.0, 1.0, 0.0, 0.0]])
    got = GENERALISED(p, y, mask=mask)
    want = GENERALISED(p[:, :2], y[:, :2])
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert GENERALISED(p, y, mask=0 * mask) == 0


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_certain_frames_have_finite_gradients(label):
    p, y = jnp.array([[0.0, 1.0]]), jnp.full((1, 2), label)

    def loss(p):
        return GENERALISED(p, y).sum()

    value, gradient = jax.value_and_grad(loss)(p)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_human_cross_entropy_is_a_softmax_over_time():
    # Uniform logits over four frames: log 4 for each unit of confidence.
    confidence = jnp.array([[0.5, 0.0, 1.0, 0.0], [0.0] * 4])
    got = multilabel.human_cross_entropy(jnp.zeros((2, 4)), confidence)
    np.testing.assert_allclose(got, [1.5 * np.log(4.0), 0.0], rtol=1e-6)


@pytest.mark.parametrize("garbage", [0.0, 1e4, np.nan])
def test_padded_frames_take_no_share_of_the_attention(garbage):
    logits = jnp.array([[0.3, -1.0, garbage], [garbage] * 3])
    confidence = jnp.array([[0.9, 0.2, garbage], [garbage] * 3])
    mask = jnp.array([[1.0, 1.0, 0.0], [0.0] * 3])

    def loss(logits):
        each = multilabel.human_cross_entropy(logits, confidence, mask=mask)
        return each.sum(), each

    (_, got), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(logits)
    want = reference.human_cross_entropy(logits[:1, :2], confidence[:1, :2])
    np.testing.assert_allclose(got, [*want, 0.0], rtol=1e-6)
    assert np.isfinite(gradient).all() and not np.any(gradient[mask == 0])


def test_bad_input_is_refused():
    x, y = draw()
    with pytest.raises(ValueError, match="positive_temperature must be positive"):
        multilabel.two_way(x, y, positive_temperature=0.0)
    with pytest.raises(ValueError, match="negative_temperature must be positive"):
        multilabel.two_way(x, y, negative_temperature=-1.0)
    with pytest.raises(ValueError, match="8 rows does not divide by 3 groups"):
        multilabel.two_way(x, y, groups=3)
    for q in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"q must be in \(0, 1\]"):
            multilabel.generalised_cross_entropy(x, y, q=q)


def test_wrong_shapes_are_named():
    x, y = draw()
    losses = (
        multilabel.two_way,
        multilabel.generalised_cross_entropy,
        multilabel.human_cross_entropy,
    )
    with unchecked_types():
        for loss in losses:
            with pytest.raises(ValueError, match=r"(y|confidence) has shape \(8, 4\)"):
                loss(x, y[:, :4])
            with pytest.raises(ValueError, match=r"mask has shape \(3,\)"):
                loss(x, y, mask=jnp.ones(3))

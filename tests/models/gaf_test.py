import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import gaf

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def test_the_field_is_the_cosine_of_summed_angles():
    x = RNG.uniform(-1, 1, (2, 7, 3))
    x[0, :2, 0] = 1.0, -1.0
    angle = np.arccos(x)
    expected = np.zeros((2, 7, 7, 3))
    for b, i, j, s in np.ndindex(*expected.shape):
        expected[b, i, j, s] = np.cos(angle[b, i, s] + angle[b, j, s])
    got = gaf.gasf(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_field_is_finite_beyond_and_at_the_ends():
    x = jnp.asarray([[3.0], [1.0], [-1.0], [0.0]])
    field, gradient = jax.value_and_grad(lambda x: gaf.gasf(x).sum())(x)
    np.testing.assert_array_equal(gaf.gasf(x), gaf.gasf(jnp.clip(x, -1, 1)))
    assert np.isfinite(field)
    assert np.isfinite(gradient).all()


def test_rescaling_reaches_both_ends_of_every_channel():
    x = array(2, 9, 3) * 5 + 2
    x = x.at[1, :, 2].set(4.0)
    y = gaf.rescale(x)
    np.testing.assert_allclose(y[0].min(axis=0), -1, atol=1e-6)
    np.testing.assert_allclose(y[0].max(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(y[1, :, 2], 0.0)
    gradient = jax.grad(lambda x: (gaf.rescale(x) ** 2).sum())(x)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("steps", "size"), [(12, 4), (10, 4), (3, 5), (6, 6)])
def test_segment_means_share_the_steps_on_their_edges(steps, size):
    x = RNG.standard_normal((2, steps, 3))
    fine = np.repeat(x, size, axis=1)  # every step and stretch is whole now
    expected = fine.reshape(2, size, steps, 3).mean(axis=2)
    got = gaf.segment_means(jnp.asarray(x, jnp.float32), size)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_outputs_and_gradients_of_the_network():
    model, x = gaf.Model(4, size=8, widths=(2, 3), hidden=5), array(2, 12, 3)
    variables = model.init(jax.random.key(0), x, train=False)
    out = model.apply(variables, x, train=False)
    assert [stage.shape for stage in out["stages"]] == [(2, 4, 4, 2), (2, 2, 2, 3)]
    assert out["logits"].shape == (2, 4)
    assert out["hidden"].shape == (2, 5)
    np.testing.assert_allclose(
        out["features"], out["stages"][-1].mean(axis=(1, 2)), rtol=1e-6
    )

    @jax.jit
    def gradients(variables, x):
        def loss(params, x):
            out, _ = model.apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sum(out["logits"] ** 2)

        return jax.grad(loss, argnums=(0, 1))(variables["params"], x)

    for stream in (x, jnp.zeros_like(x)):
        for gradient in jax.tree.leaves(gradients(variables, stream)):
            assert np.isfinite(gradient).all()


def test_a_small_image_is_refused():
    with pytest.raises(ValueError, match="8 pixels cannot be halved 4 times"):
        gaf.Model(4, size=8).init(jax.random.key(0), array(1, 9, 3), train=False)

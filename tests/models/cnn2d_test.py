import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import cnn2d
from tests.models.scenes import array, filled, run


def tiny(**options):
    return cnn2d.Encoder(widths=(2, 4), width=6, groups=2, **options)


@pytest.fixture(scope="module")
def variables():
    return filled(tiny(), array(1, 4, 4, 3))


def test_pictures_are_encoded_one_by_one(variables):
    x = array(2, 3, 9, 6, 3)
    out = run(tiny(), variables, x)
    assert out.shape == (2, 3, 6)
    other = run(tiny(), variables, x.at[1, 2].set(0.0).at[0, 0].multiply(50.0))
    kept = np.ones((2, 3), bool)
    kept[1, 2] = kept[0, 0] = False
    np.testing.assert_allclose(other[kept], out[kept], atol=1e-5)
    assert np.isfinite(other).all()


def test_a_spectrogram_is_a_picture_of_one_channel():
    x = array(2, 8, 6)
    variables = filled(tiny(grey=True), x)
    as_picture = run(tiny(), variables, x[..., None])
    np.testing.assert_allclose(run(tiny(grey=True), variables, x), as_picture)


def test_the_largest_of_a_channel_may_be_kept(variables):
    x = array(2, 9, 6, 3)
    mean, most = run(tiny(), variables, x), run(tiny(pool="max"), variables, x)
    assert (mean != most).any()
    # Of one position both are the same.
    one = array(2, 2, 2, 3)
    np.testing.assert_allclose(
        run(tiny(pool="max"), variables, one), run(tiny(), variables, one), rtol=1e-6
    )
    with pytest.raises(ValueError, match="no pool 'sum': one of mean, max"):
        run(tiny(pool="sum"), variables, x)


def test_widths_and_half_precision(variables):
    assert variables["params"]["conv2"]["kernel"].shape == (3, 3, 2, 4)
    x = array(2, 9, 6, 3)
    out, half = run(tiny(), variables, x), run(tiny(dtype="bfloat16"), variables, x)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, out, atol=0.05)


def test_a_black_picture_has_a_finite_gradient(variables):
    def loss(x):
        return (tiny().apply(variables, x, train=True) ** 2).sum()

    gradient = jax.jit(jax.grad(loss))(jnp.zeros((1, 8, 8, 3)))
    assert np.isfinite(gradient).all()

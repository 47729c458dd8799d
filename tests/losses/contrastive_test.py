import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.losses import contrastive
from tests.losses.properties import unchecked_types


def vectors(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_bounds_are_reached():
    z = vectors(4, 6)
    np.testing.assert_allclose(contrastive.negative_cosine(z, 3 * z), -1, rtol=1e-6)
    np.testing.assert_allclose(contrastive.negative_cosine(z, -z), 1, rtol=1e-6)


@pytest.mark.parametrize("views", [1, 2, 3, 4, 8])
def test_equal_views_agree_in_every_pair(views):
    same = jnp.broadcast_to(vectors(4, 1, 6), (4, views, 6))
    pairs = views * (views - 1) / 2
    got = contrastive.view_agreement(same, same)
    np.testing.assert_allclose(got, -pairs, rtol=1e-6)


def test_the_order_of_the_views_is_of_no_account():
    z, h = vectors(4, 5, 6), vectors(4, 5, 6, seed=1)
    order = jnp.array([3, 0, 4, 2, 1])
    got = contrastive.view_agreement(z[:, order], h[:, order])
    np.testing.assert_allclose(got, contrastive.view_agreement(z, h), atol=1e-6)


def test_shares_add_up_on_an_axis_of_views():
    z, h = vectors(4, 3, 6), vectors(4, 3, 6, seed=1)

    def one(prediction, target):
        targets = jax.lax.all_gather(target, "view", axis=-2)
        view = jax.lax.axis_index("view")
        share = contrastive.view_share(prediction, targets, view=view)
        return jax.lax.psum(share, "view")

    total = jax.vmap(one, in_axes=1, out_axes=None, axis_name="view")(z, h)
    np.testing.assert_allclose(total, contrastive.view_agreement(z, h), atol=1e-6)


def test_spread_tells_collapse_from_scatter():
    assert contrastive.spread(jnp.ones((64, 16))) == 0
    scattered = contrastive.spread(vectors(4096, 16))
    np.testing.assert_allclose(scattered, 16**-0.5, rtol=0.02)


def test_wrong_shapes_are_named():
    with unchecked_types():
        for loss in (contrastive.negative_cosine, contrastive.view_agreement):
            with pytest.raises(ValueError, match=r"targets? has shape \(4, 2, 6\)"):
                loss(vectors(4, 3, 6), vectors(4, 2, 6))
        with pytest.raises(ValueError, match=r"prediction has shape \(4, 5\)"):
            contrastive.view_share(vectors(4, 5), vectors(4, 3, 6), view=0)

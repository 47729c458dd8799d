import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import parallel
from kdjax.losses import _layout as layout

MESH = parallel.data_mesh()


def maps(dtype, rows=16):
    values = np.random.default_rng(0).normal(3.0, 1.0, size=(rows, 3, 4, 2, 5))
    return jnp.asarray(values, dtype)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_mean_of_segments_is_the_same_by_sum_and_by_product(dtype):
    def value(form, x):
        mean = form(x)
        return jnp.sum(jnp.sin(mean)), mean

    found = {}
    for form in (layout._mean_by_sum, layout._mean_by_product):
        told = parallel.on(MESH, jax.value_and_grad(value, argnums=1, has_aux=True))
        placed = parallel.shard_batch({"maps": maps(dtype)}, MESH)["maps"]
        program = jax.jit(told, static_argnums=0).lower(form, placed).compile()
        (_, mean), gradient = program(placed)
        assert mean.dtype == jnp.float32 and gradient.dtype == dtype
        # Every device has its own rows: nothing but the sum over all is sent.
        text = program.as_text()
        assert not any(kind in text for kind in ("all-gather", "all-to-all"))
        found[form] = mean, gradient.astype(jnp.float32)
    exact = np.asarray(maps(dtype), np.float64).mean(axis=1)
    for mean, gradient in found.values():
        np.testing.assert_allclose(mean, exact, rtol=1e-6)
        want = np.repeat(np.cos(exact)[:, None] / 3, 3, axis=1)
        tolerance = 1e-6 if dtype == jnp.float32 else 4e-3
        np.testing.assert_allclose(gradient, want, rtol=tolerance, atol=tolerance)


def test_a_tpu_multiplies_where_the_mesh_is_known_and_divides_the_rows():
    def forms(rows):
        traced = jax.make_jaxpr(layout.mean_of_segments)(maps(jnp.float32, rows))
        return str(traced)

    assert "dot_general" not in forms(16)
    with jax.sharding.use_abstract_mesh(MESH.abstract_mesh):
        assert "dot_general" in forms(16)
        assert "dot_general" not in forms(12)


def test_columns_stay_where_they_are_without_a_mesh_or_where_they_do_not_divide():
    rows = jnp.ones((8, 16))
    assert layout.by_columns(rows) is rows
    with jax.sharding.use_abstract_mesh(MESH.abstract_mesh):
        odd = jnp.ones((8, 15))
        assert layout.by_columns(odd) is odd

    def shard(rows):
        return layout.by_columns(rows)

    spread = jax.shard_map(
        shard,
        mesh=MESH,
        in_specs=jax.sharding.PartitionSpec("data"),
        out_specs=jax.sharding.PartitionSpec("data"),
    )
    np.testing.assert_array_equal(jax.jit(spread)(rows), rows)

"""How features lie on devices while a loss compares them; values are the same anywhere.

What is done depends on the mesh that a function is traced for, see `kdjax.parallel.on`.
"""

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

from kdjax.losses._common import EXACT
from kdjax.typing import Array, Float, Shaped


def _devices() -> int:
    """How many the batch is split over; none outside a mesh whose axis is ours to use.

    It is not under ``pmap`` and ``shard_map``, which hand over the shard alone.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types))
    return mesh.shape["data"] if kinds.get("data") == AxisType.Auto else 0


def by_columns(rows: Shaped[Array, "B D"]) -> Shaped[Array, "B D"]:
    """Features of which every device has some columns of all rows, not some rows whole.

    Products of rows with rows are then sums over devices of products of their columns:
    each device receives one part of the batch, where it would gather the whole.

    Args:
      rows: split over the mesh by rows.

    Returns:
      The same values; as they lie where there is no mesh or the columns do not divide.
    """
    devices = _devices()
    if not devices or rows.shape[-1] % devices:
        return rows
    return jax.lax.with_sharding_constraint(rows, PartitionSpec(None, "data"))


def mean_of_segments(maps: Shaped[Array, "B S *X"]) -> Float[Array, "B *X"]:
    """Mean of a video over its segments, whose maps are one batch of a network of pictures.

    A TPU has the pictures of such a batch side by side in its lanes. To add up some of
    them is slow there, and so is their gradient: both are left to the matrix units
    (`benchmarks.tpu_lowerings`, "mean of segments").

    Args:
      maps: of the segments of every video.

    Returns:
      In float32, whatever comes in.
    """
    # A product over all rows is one of a device's own only where their number is known.
    if not _devices() or len(maps) % _devices():
        return _mean_by_sum(maps)
    mean = jax.lax.platform_dependent(maps, tpu=_mean_by_product, default=_mean_by_sum)
    # What is made of the means must not have all segments change places.
    return jax.lax.with_sharding_constraint(mean, PartitionSpec("data"))


def _mean_by_sum(maps: Array) -> Array:
    return jnp.mean(maps.astype(jnp.float32), axis=1)


def _mean_by_product(maps: Array) -> Array:
    devices, (rows, segments, *rest) = _devices(), maps.shape
    # Ones are exact in any type, which an S-th is not.
    own = jnp.repeat(jnp.eye(rows // devices, dtype=maps.dtype), segments, axis=1)
    sums = jnp.einsum(
        "bn,dn...->db...",
        own,
        maps.reshape(devices, -1, *rest),
        precision=EXACT,
        preferred_element_type=jnp.float32,
    )
    return sums.reshape(rows, *rest) / segments

"""Meshes and shardings: where a batch lives and what is replicated.

Training is data-parallel under `jax.jit` over a mesh with the axis ``data``: parameters
are replicated, batches are split, and a loss that couples the batch sees the global one.
"""

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from kdjax.typing import Array, PyTree


def data_mesh(devices: list[jax.Device] | None = None) -> Mesh:
    """A mesh with one axis, ``data``, over all devices of all processes.

    The axis is Auto: vmapped convolutions fail under JAX's default of Explicit axes.

    Args:
      devices: the devices to use; all of them by default.

    Returns:
      The mesh.
    """
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh(
        (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of parameters and teachers: a whole copy on each device."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its first axis over ``data``."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """A copy of the tree, whole on every device and free to be donated."""
    # `device_put` alone hands on a buffer that lies on one of the devices already.
    return jax.device_put(jax.tree.map(jnp.copy, tree), replicated(mesh))


def shard_batch(batch: dict, mesh: Mesh) -> dict[str, Array]:
    """This process's rows of a global batch, placed over the mesh.

    Args:
      batch: host arrays, each with this process's rows first.
      mesh: from `data_mesh`.

    Returns:
      Global arrays of ``rows x processes`` rows.

    Raises:
      ValueError: where the rows do not divide by the devices of this process.
    """
    rows = len(next(iter(batch.values())))
    local = len(mesh.local_devices)
    if rows % local:
        raise ValueError(
            f"a batch of {rows} rows a process does not divide by {local} devices"
        )
    sharding = split_batch(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, array)
        for name, array in batch.items()
    }

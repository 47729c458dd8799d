"""Meshes and shardings, and the axis of students that share their parameters.

Training is data-parallel under `jax.jit` over a mesh with the axis ``data``: parameters
are replicated, batches are split, and a loss that couples the batch sees the global one.

Students that share their parameters, one a camera view, are one function of one view
that meets the others through collectives on the axis ``view``. `sum_over_views` runs it
under `jax.vmap`, on one device or, where the batch is split by ``("data", "view")``,
over a mesh; `pmap_over_views` runs it with one view a device.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from kdjax.typing import VIEWED, Array, Batch, Metrics, PyTree, State

VIEW = "view"
"""The named axis that the students of one performance share."""

ViewLoss = Callable[..., tuple[Array, tuple[State, Metrics]]]
"""``(params, state, frozen, batch, key) -> (loss, (state, metrics))`` of one view.

The batch has no view axis; loss and metrics are the view's share of a sum over all.
"""


def data_mesh(devices: Sequence[jax.Device] | None = None, *, views: int = 1) -> Mesh:
    """A mesh over all devices of all processes: ``data``, or ``data`` by ``view``.

    The axes are Auto: vmapped convolutions fail under JAX's default of Explicit axes.

    Args:
      devices: the devices to use; all of them by default.
      views: number of devices that the views of an example are spread over.

    Returns:
      The mesh; the axis ``view`` is there where `views` is more than one.

    Raises:
      ValueError: where the devices do not divide by `views`.
    """
    devices = jax.devices() if devices is None else devices
    if views < 1 or len(devices) % views:
        raise ValueError(f"{len(devices)} devices do not divide by {views} views")
    rows = len(devices) // views
    axes = {"data": rows} if views == 1 else {"data": rows, VIEW: views}
    return jax.make_mesh(
        tuple(axes.values()),
        tuple(axes),
        axis_types=(AxisType.Auto,) * len(axes),
        devices=devices,
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of parameters and teachers: a whole copy on each device."""
    return NamedSharding(mesh, PartitionSpec())


def on(mesh: Mesh, function: Callable) -> Callable:
    """The function, which knows the mesh that it is to be compiled for.

    A loss that compares a global batch asks for it, as `graph_cross_attention` does, and
    says how features are to lie; without a mesh the compiler decides.

    Args:
      mesh: from `data_mesh`.
      function: to be traced, by `jax.jit` for instance.

    Returns:
      The function, with the mesh as JAX's abstract one while it is called.
    """

    @functools.wraps(function)
    def told(*args, **kwargs):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*args, **kwargs)

    return told


def split_batch(mesh: Mesh, name: str = "", shape: Sequence[int] = ()) -> NamedSharding:
    """The sharding of an array of a batch: rows over ``data``, views over ``view``.

    Args:
      mesh: from `data_mesh`.
      name: the array's key; those of `VIEWED` have an axis of views.
      shape: the array's; views that do not divide by the axis, such as the one of an
        evaluation, lie on all its devices.

    Returns:
      The sharding.
    """
    viewed = name in VIEWED and VIEW in mesh.axis_names
    viewed = viewed and shape[1] % mesh.shape[VIEW] == 0
    axes = ("data", VIEW) if viewed else ("data",)
    return NamedSharding(mesh, PartitionSpec(*axes))


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
    local = len(mesh.local_devices) // mesh.shape.get(VIEW, 1)
    if rows % local:
        raise ValueError(
            f"a batch of {rows} rows a process does not divide by {local} devices"
        )
    return {
        name: jax.make_array_from_process_local_data(
            split_batch(mesh, name, array.shape), array
        )
        for name, array in batch.items()
    }


def view_axes(batch: Batch) -> dict[str, int | None]:
    """Where each array of a batch has its axis of views; None where it has none."""
    return {name: 1 if name in VIEWED else None for name in batch}


def sum_over_views(view_loss: ViewLoss) -> ViewLoss:
    """The loss of a batch with views, from that of one view, under `jax.vmap`.

    Args:
      view_loss: of one view; names the axis `VIEW` in its collectives.

    Returns:
      ``(params, state, frozen, batch, key) -> (loss, (state, metrics))`` with the sums
      of the views' shares, and the mean of what they make of the state.
    """

    def loss(params, state, frozen, batch, key):
        def one(batch):
            share, (updated, metrics) = view_loss(params, state, frozen, batch, key)
            return jax.lax.psum((share, metrics), VIEW), jax.lax.pmean(updated, VIEW)

        axes = view_axes(batch)
        (total, metrics), state = jax.vmap(
            one, in_axes=(axes,), out_axes=None, axis_name=VIEW
        )(dict(batch))
        return total, (state, metrics)

    return loss


def pmap_over_views(
    view_loss: ViewLoss, devices: Sequence[jax.Device] | None = None
) -> Callable:
    """Loss and gradient of a batch with views, one view a device, under `jax.pmap`.

    What ``jax.value_and_grad(sum_over_views(view_loss), has_aux=True)`` gives. A view's
    device differentiates its own share with its own copy of the parameters; the
    gradient of the shared parameters is the sum over views.

    Args:
      view_loss: of one view; names the axis `VIEW` in its collectives.
      devices: one a view; the first ones by default.

    Returns:
      ``(params, state, frozen, batch, key) -> ((loss, (state, metrics)), grads)``.
    """

    def one(params, state, frozen, batch, key):
        gradient = jax.value_and_grad(view_loss, has_aux=True)
        (share, (state, metrics)), grads = gradient(params, state, frozen, batch, key)
        share, metrics, grads = jax.lax.psum((share, metrics, grads), VIEW)
        return (share, (jax.lax.pmean(state, VIEW), metrics)), grads

    def run(params, state, frozen, batch, key):
        axes = (None, None, None, view_axes(batch), None)
        mapped = jax.pmap(
            one, axis_name=VIEW, in_axes=axes, out_axes=None, devices=devices
        )
        return mapped(params, state, frozen, dict(batch), key)

    return run

"""One run on several processes: joining them, and what they must agree on.

Every process runs the same command. On a TPU pod JAX finds the others; flags and SLURM
give each process a supervisor, see `experiments.supervise`.
"""

import contextlib
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from data_pipelines.errors import DataError
from experiments import places, supervise
from experiments.errors import Interrupted, RunError, complain
from experiments.peers import LOOPBACK, Place
from kdjax import parallel
from kdjax.typing import PyTree

MODES = ("train", "eval", "detect", "benchmark")
"""Modes that run on several processes."""


def start() -> None:
    """Where flags or SLURM give this process a place, supervises it; does not return.

    The worker that the supervisor starts, and a process that is alone, go on.
    """
    if supervise.WORKER in os.environ:
        return
    try:
        found = places.of(sys.argv, os.environ)
    except RunError as error:
        complain(error)
        sys.exit(1)
    if found.place is None:
        return
    command = [sys.executable, "-m", "experiments.run", *found.arguments[1:]]
    status = supervise.run(found.place, command, join=found.join, silence=found.silence)
    sys.exit(status)


def _initialise(mode: str) -> supervise.Channel | None:
    """Joins the other processes, if there are any."""
    # Outside of training nobody waits for the notice: the signal should end the process.
    jax.config.update("jax_enable_preemption_service", mode == "train")
    if supervise.WORKER in os.environ:
        told = json.loads(os.environ[supervise.WORKER])
        place = Place(*told["place"])
        channel = supervise.Channel(told["channel"])
        own = told["service"] if place.host in LOOPBACK else None
        jax.distributed.initialize(
            told["service"],
            place.processes,
            place.process,
            local_device_ids=place.local_devices,
            cluster_detection_method="deactivate",
            coordinator_bind_address=own,
        )
        return channel
    given = flags.FLAGS
    if mode in MODES and given.cluster == "auto" and places.on_tpu():
        jax.distributed.initialize(
            initialization_timeout=math.ceil(given.join_seconds),
            heartbeat_timeout_seconds=math.ceil(given.silence_seconds),
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def lost_touch(error: BaseException) -> bool:
    """Whether an error may come of another process's end: a collective that failed."""
    return any(
        isinstance(each, jax.errors.JaxRuntimeError)
        and not str(each).startswith("RESOURCE_EXHAUSTED")
        for each in _chain(error)
    )


@contextlib.contextmanager
def joined(
    mode: str, sentence: Callable[[BaseException], str], *, show: bool
) -> Iterator[None]:
    """Runs a mode among the processes of a run; an error in one of them ends all.

    Args:
      mode: what is run.
      sentence: says in one line what an error is.
      show: whether errors are shown with the place where they arose.

    Raises:
      RunError: where the mode is for one process only.
    """
    channel = None
    try:
        if supervise.WORKER in os.environ and mode not in MODES:
            raise RunError(
                f"--mode={mode} runs in one process; on several run {', '.join(MODES)}"
            )
        channel = _initialise(mode)
        yield
    except BaseException as error:
        if channel is None and not jax.distributed.is_initialized():
            raise
        _end(channel, error, sentence(error), show=show)
    if jax.distributed.is_initialized():
        # Waits for the others: the first one to end would look as if it had failed.
        jax.distributed.shutdown()


def _end(
    channel: supervise.Channel | None, error: BaseException, text: str, *, show: bool
) -> NoReturn:
    """Ends this process without waiting for the others, which may wait for it."""
    lost, known = lost_touch(error), isinstance(error, (RunError, DataError, OSError))
    if show or not (known or lost):
        traceback.print_exception(error)
    if isinstance(error, Interrupted):
        jax.distributed.shutdown()
    text = text if known else f"{type(error).__name__}: {text}"
    if channel is not None:
        channel.report(supervise.Report(text, lost))
    else:
        complain(text)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(supervise.INTERRUPTED if isinstance(error, Interrupted) else 1)


def stopping(received: Sequence[int], step: int) -> bool:
    """Whether to stop after a step; all processes stop after the same one.

    Args:
      received: signals that asked a single process to end.
      step: grows by one from call to call.
    """
    if jax.process_count() == 1:
        return bool(received)
    return multihost_utils.reached_preemption_sync_point(step)


def agree(number: int) -> int:
    """What process 0 says, on every process."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """A copy of the tree, whole on every device of all processes, free to be donated.

    Args:
      tree: arrays, the same on every process.
      mesh: from `kdjax.parallel.data_mesh`.
    """
    if jax.process_count() == 1:
        return parallel.replicate(tree, mesh)
    # By way of the host: JAX 0.10.2 makes an array that cannot be read of one that lies
    # on the only device of a process.
    placed = jax.device_put(jax.device_get(tree), parallel.replicated(mesh))
    return jax.tree.map(jnp.copy, placed)


def local_rows(mesh: Mesh, count: int) -> np.ndarray:
    """Which rows of a global batch lie on this process's devices.

    Args:
      mesh: from `kdjax.parallel.data_mesh`.
      count: rows of the batch.
    """
    placed = parallel.split_batch(mesh).addressable_devices_indices_map((count,))
    rows = np.arange(count)
    return np.unique(np.concatenate([rows[span] for (span,) in placed.values()]))


def whole_batch(mesh: Mesh, count: int) -> int:
    """The least number of rows from `count` on that divides by the devices of rows."""
    return -(-count // mesh.shape["data"]) * mesh.shape["data"]


def check_mesh(mesh: Mesh, batch_sizes: Mapping[str, int]) -> None:
    """Refuses batches and views that cannot be spread over the devices.

    Args:
      mesh: from `kdjax.parallel.data_mesh`.
      batch_sizes: of the global batch, by role.

    Raises:
      RunError: naming the config key.
    """
    views, own = mesh.shape.get(parallel.VIEW, 1), len(mesh.local_devices)
    if own % views:
        raise RunError(
            f"config.view_devices is {views}: the views of an example lie on devices "
            f"of one process, which has {own}"
        )
    rows, processes = mesh.shape["data"], jax.process_count()
    for name, size in batch_sizes.items():
        if size % rows:
            raise RunError(
                f"config.roles.{name}.batch_size is {size}: it must divide by the "
                f"{rows} parts of {mesh.size} devices of {processes} process(es)"
            )

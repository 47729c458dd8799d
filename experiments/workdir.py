"""The folder of one run: lock, config, metrics, TensorBoard events.

``config.json`` names the run, ``metrics.jsonl`` has one line a log step; resuming cuts
the lines behind the checkpoint off, since the same lines are about to be written again.
"""

import contextlib
import fcntl
import json
import math
import os
import time
import zlib
from collections.abc import Iterator
from typing import Any

import jax
import ml_collections
from etils import epath
from tensorboardX import SummaryWriter

from experiments import distributed
from experiments.checkpoints import write_text
from experiments.errors import RunError
from experiments.roles import completed

FREE_TO_CHANGE = ("checkpoint_every", "keep_checkpoints", "log_every", "eval_every")
"""Config keys that may differ when a run resumes: no number depends on them."""


NETWORK_DELAY = 10.0
"""Seconds in which what one machine writes is seen by the others."""


@contextlib.contextmanager
def locked(workdir: epath.Path) -> Iterator[None]:
    """Holds a run folder for this process.

    Raises:
      RunError: where the folder cannot be written or another run holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            # Buckets have no locks: only a folder of this machine is held.
            if os.path.isdir(workdir) and jax.process_index() == 0:
                handle = stack.enter_context(open(workdir / ".lock", "w"))
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"another run holds the workdir {workdir}") from error
        except OSError as error:
            raise RunError(f"cannot write to the workdir {workdir}: {error}") from error
        yield


def tuples(value: Any) -> Any:
    """What JSON says, with tuples where it has lists: as config pages write them."""
    if isinstance(value, dict):
        return {key: tuples(each) for key, each in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def _flat(config: dict, prefix: str = "") -> dict[str, object]:
    """Leaves of nested dicts by dotted path."""
    found = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def check_config(workdir: epath.Path, config: ml_collections.ConfigDict) -> None:
    """Writes ``config.json``, or compares it with the one that is there.

    Raises:
      RunError: where the folder belongs to another config, with the differences.
    """
    path = workdir / "config.json"
    text = config.to_json(indent=2, sort_keys=True)
    if path.exists():
        try:
            then = _flat(completed(tuples(json.loads(path.read_text()))))
        except json.JSONDecodeError as error:
            raise RunError(f"{path} is not JSON: {error}") from error
        now = _flat(completed(tuples(json.loads(text))))
        changed = {k for k in then.keys() | now.keys() if then.get(k) != now.get(k)}
        unsafe = sorted(changed - set(FREE_TO_CHANGE))
        if unsafe:
            listed = ", ".join(f"{k}: {then.get(k)} -> {now.get(k)}" for k in unsafe)
            raise RunError(f"{workdir} holds a run of another config: {listed}")
    if jax.process_index() == 0:
        write_text(path, text)
    check_shared(path, text)


def check_shared(path: epath.Path, text: str) -> None:
    """Makes sure that all processes have the same config and see the same folder.

    Raises:
      RunError: on a process that was given, or sees, something else than process 0.
    """
    own = zlib.crc32(text.encode()) >> 1
    # It also lets the others look only when process 0 has written.
    if distributed.agree(own) != own:
        raise RunError("this process was given another config than process 0")
    until = time.monotonic() + NETWORK_DELAY
    while not (path.exists() and path.read_text() == text):
        if time.monotonic() > until:
            raise RunError(
                f"{path.parent} is not the folder that process 0 writes to: all "
                "processes need one shared folder or bucket"
            )
        time.sleep(0.1)


class MetricsLog:
    """Appends metrics to ``metrics.jsonl`` and to TensorBoard events."""

    def __init__(self, workdir: epath.Path, offset: int = 0):
        """Opens the log at a byte offset, which a checkpoint has kept."""
        self._active = jax.process_index() == 0
        self._path = workdir / "metrics.jsonl"
        text = self._path.read_bytes()[:offset] if self._path.exists() else b""
        self.offset = len(text)
        self._board = None
        if self._active:
            self._path.write_bytes(text)
            if os.path.isdir(workdir):
                self._board = SummaryWriter(os.fspath(workdir / "tensorboard"))

    def write(
        self, role: str, split: str, step: int, epoch: float, values: dict
    ) -> None:
        """One line: who, where, when, and the values by name."""
        finite = {k: v if math.isfinite(v) else str(v) for k, v in values.items()}
        record = {"role": role, "split": split, "step": step, "epoch": epoch, **finite}
        line = json.dumps(record) + "\n"
        self.offset += len(line)
        if self._active:
            with self._path.open("a") as file:
                file.write(line)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{role}/{split}/{name}", value, step)

    def close(self) -> None:
        """Ends the event file."""
        if self._board is not None:
            self._board.close()

"""A process of several has two halves: a worker that runs JAX and this supervisor.

JAX aborts a process whose coordinator or peer is gone with a stack trace in the place
of a reason (0.10 offers heartbeats and a time limit, but its callback cannot be used
from Python). The supervisor outlives that: it starts the worker when all processes have
come, ends it when another process fails, and says in one sentence which and why.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Sequence
from typing import NamedTuple

from experiments.errors import RunError, complain
from experiments.hub import Hub
from experiments.peers import Link, Place

WORKER = "KDJAX_WORKER"
"""Environment variable by which a worker knows that it is one, and where it stands."""

INTERRUPTED = 143
"""Exit status of a run that was asked to end: 128 + SIGTERM."""


class Report(NamedTuple):
    """What a worker says before it ends.

    Attributes:
      text: one sentence.
      lost: whether it only lost touch with another process.
    """

    text: str
    lost: bool


class Channel:
    """A worker's connection to its supervisor; with the supervisor, the worker ends."""

    def __init__(self, descriptor: int):
        """Opens the socket that was inherited."""
        self._socket = socket.socket(fileno=descriptor)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.recv(1)
        os._exit(1)

    def report(self, report: Report) -> None:
        """Says why the worker is about to end."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(report).encode())


def connect(place: Place, *, join: float, silence: float) -> Hub | Link:
    """This process's end of the connections between all; `join` opens it.

    Args:
      place: of this process.
      join: seconds that the processes have to find each other.
      silence: seconds without a sign of life after which a process counts as gone.
    """
    return (Link if place.process else Hub)(place, join=join, silence=silence)


async def _start(
    place: Place, service: str, command: Sequence[str]
) -> tuple[asyncio.subprocess.Process, socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        told = {"service": service, "place": place, "channel": theirs.fileno()}
        worker = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, WORKER: json.dumps(told)},
            pass_fds=[theirs.fileno()],
            # A terminal's Ctrl-C comes to the supervisor alone, which hands it on.
            start_new_session=True,
        )
    return worker, ours


class _End(NamedTuple):
    """How a worker ended, in words for the others and for its own log."""

    others: str
    here: str
    lost: bool = False


def _how(channel: socket.socket, status: int, process: int) -> _End:
    """What an ended worker had said, or what its exit status says."""
    channel.setblocking(False)
    with contextlib.suppress(OSError, ValueError):
        report = Report(*json.loads(channel.recv(1 << 16)))
        return _End(f"failed: {report.text}", report.text, report.lost)
    if status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
        return _End(how, f"process {process} {how}", lost=status == -signal.SIGABRT)
    # It has printed its reason by itself.
    return _End(f"ended with exit status {status}", "")


async def _ended(peers: Hub | Link, status: int, how: _End) -> int:
    """Tells the others how the worker ended; returns the exit status."""
    if status in (0, INTERRUPTED):
        await peers.leave()
        if peers.verdict.done():
            complain(peers.verdict.result())
            return 1
        if how.here:
            complain(how.here)
        return status
    peers.fail(how.others, lost=how.lost)
    verdict = await peers.verdict
    if sentence := how.here if verdict.process == peers.place.process else verdict:
        complain(sentence)
    return 1


async def _supervise(peers: Hub | Link, command: Sequence[str]) -> int:
    service = await peers.join()
    worker, channel = await _start(peers.place, service, command)

    def hand_on() -> None:
        with contextlib.suppress(ProcessLookupError):
            worker.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, hand_on)
    with channel:
        ended = asyncio.create_task(worker.wait())
        await asyncio.wait({ended, peers.verdict}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            status = ended.result()
            how = _how(channel, status, peers.place.process)
            return await _ended(peers, status, how)
        worker.kill()
        await ended
        complain(peers.verdict.result())
        return 1


async def supervise(
    place: Place, command: Sequence[str], *, join: float, silence: float
) -> int:
    """What `run` does, in an event loop."""
    peers = connect(place, join=join, silence=silence)
    try:
        return await _supervise(peers, command)
    except RunError as error:
        complain(error)
        return 1
    finally:
        await peers.close()


def run(place: Place, command: Sequence[str], *, join: float, silence: float) -> int:
    """Runs a worker among those of other processes, to its end or that of any of them.

    Args:
      place: of this process.
      command: of the worker.
      join: seconds that the processes have to find each other.
      silence: seconds without a sign of life after which a process counts as gone.

    Returns:
      The exit status: the worker's own, or 1 where any process failed.
    """
    try:
        return asyncio.run(supervise(place, command, join=join, silence=silence))
    except KeyboardInterrupt:
        return INTERRUPTED

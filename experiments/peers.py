"""How the processes of one run find each other, and hear of it when one of them ends.

Process 0 listens at the coordinator's address; the others connect to it and stay
connected. What is said is one JSON object a line. A closed connection tells at once of
a process that was killed, silence of a machine that is gone; process 0 decides who is
to blame and tells all the others.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from experiments.errors import RunError

BEAT = 1.0
"""Seconds between two signs of life."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


GONE = "is gone: it was killed, or its machine was"
"""What is said of a process whose connection ends without a word."""


class Place(NamedTuple):
    """Where a process stands among those of its run.

    Attributes:
      coordinator: ``HOST:PORT`` where process 0 listens.
      processes: how many there are.
      process: which of them this is, from 0.
      local_devices: ordinals of the GPUs that this process uses; None uses all.
    """

    coordinator: str
    processes: int
    process: int
    local_devices: tuple[int, ...] | None = None

    @property
    def host(self) -> str:
        """The coordinator's machine."""
        return self.coordinator.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The coordinator's port."""
        return int(self.coordinator.rpartition(":")[2])


class Verdict(NamedTuple):
    """Why a run cannot go on: the process that failed, its machine, and what it did."""

    process: int
    host: str
    text: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} {self.text}"


async def lines(reader: asyncio.StreamReader, silence: float) -> AsyncIterator[dict]:
    """Messages until the connection ends, or says what is not one.

    Raises:
      TimeoutError: after `silence` seconds without one.
    """
    with contextlib.suppress(ConnectionError, ValueError):
        while line := await asyncio.wait_for(reader.readline(), silence):
            message = json.loads(line)
            if not isinstance(message, dict):
                return
            yield message


async def first(reader: asyncio.StreamReader, seconds: float) -> dict | None:
    """The first message; None where none comes in time."""
    with contextlib.suppress(TimeoutError):
        async with contextlib.aclosing(lines(reader, seconds)) as found:
            return await anext(found, None)
    return None


def say(writer: asyncio.StreamWriter, **message) -> None:
    """Sends a message; to a closed connection, nothing."""
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")


async def beat(writers: Sequence[asyncio.StreamWriter]) -> None:
    """Gives signs of life, for ever."""
    while True:
        for writer in writers:
            say(writer, beat=True)
        await asyncio.sleep(BEAT)


async def end(writer: asyncio.StreamWriter) -> None:
    """Closes a connection once what was said has been sent."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), BEAT)


def free_port(host: str = "") -> int:
    """A port that nothing listens at.

    Args:
      host: of this machine's addresses; all of them by default.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as found:
        found.bind((host, 0))
        return found.getsockname()[1]


class Link:
    """Any other process: its connection to process 0."""

    def __init__(self, place: Place, *, join: float, silence: float):
        """See `experiments.supervise.connect`."""
        self.place, self._join, self._silence = place, join, silence
        self.verdict: asyncio.Future[Verdict] = (
            asyncio.get_running_loop().create_future()
        )
        self._left, self._writer = False, None
        self._tasks: list[asyncio.Task] = []

    async def join(self) -> str:
        """Waits for process 0; returns the address of JAX's own service."""
        place = self.place
        until = asyncio.get_running_loop().time() + self._join
        reader, self._writer = await self._reach(until)
        who = {"process": place.process, "processes": place.processes}
        say(self._writer, **who, host=socket.gethostname())
        self._tasks.append(asyncio.create_task(beat([self._writer])))
        # Process 0 may have begun to wait later than this process.
        answer = await first(reader, 2 * self._join)
        if answer and "refused" in answer:
            raise RunError(str(answer["refused"]))
        if not answer or "start" not in answer:
            raise RunError(
                f"what answers at {place.coordinator} is not process 0 of a run that "
                "begins: is the address that of another run?"
            )
        self._tasks.append(asyncio.create_task(self._listen(reader)))
        return str(answer["start"])

    def fail(self, text: str, *, lost: bool) -> None:
        """Says that this process failed, or only `lost` touch with another one."""
        say(self._writer, failed=text, lost=lost)

    async def leave(self) -> None:
        """Ends in order."""
        self._left = True
        say(self._writer, left=True)
        await self._writer.drain()

    async def close(self) -> None:
        """Gives what was said time to arrive."""
        for task in self._tasks:
            task.cancel()
        if self._writer is not None:
            await end(self._writer)

    async def _reach(self, until: float):
        place, loop, why = self.place, asyncio.get_running_loop(), "no answer"
        while (left := until - loop.time()) > 0:
            try:
                reach = asyncio.open_connection(place.host, place.port)
                return await asyncio.wait_for(reach, left)
            except OSError as error:  # also those of names and of time
                why = error.strerror or str(error) or why
                await asyncio.sleep(min(0.3, left))
        raise RunError(
            f"nothing answers at {place.coordinator} within {self._join:g} s ({why}): "
            "is process 0 running there?"
        )

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        text = GONE
        try:
            async for message in lines(reader, self._silence):
                if "verdict" in message and not self.verdict.done():
                    self.verdict.set_result(Verdict(*message["verdict"]))
        except TimeoutError:
            text = f"has not been heard from for {self._silence:g} s"
        if not self._left and not self.verdict.done():
            self.verdict.set_result(Verdict(0, self.place.host, text))

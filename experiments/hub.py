"""Process 0 of several: it gathers the others and decides which of them failed."""

import asyncio
import contextlib
import socket

from experiments.errors import RunError
from experiments.peers import (
    BEAT,
    GONE,
    LOOPBACK,
    Place,
    Verdict,
    beat,
    end,
    first,
    free_port,
    lines,
    say,
)


class Hub:
    """Process 0: it gathers the others, listens to them and decides who failed."""

    def __init__(self, place: Place, *, join: float, silence: float):
        """See `experiments.supervise.connect`."""
        self.place, self._join, self._silence = place, join, silence
        self.verdict: asyncio.Future[Verdict] = (
            asyncio.get_running_loop().create_future()
        )
        self._members: dict[int, tuple[str, asyncio.StreamWriter]] = {}
        self._left: set[int] = set()
        self._complete, self._changed = asyncio.Event(), asyncio.Event()
        self._beats: asyncio.Task | None = None
        self._server: asyncio.Server | None = None

    async def join(self) -> str:
        """Waits for all processes; returns the address of JAX's own service."""
        place = self.place
        local = place.host if place.host in LOOPBACK else None
        try:
            self._server = await asyncio.start_server(self._serve, local, place.port)
        except OSError as error:
            raise RunError(
                f"process 0 cannot listen at port {place.port} of {place.coordinator}: "
                f"{error.strerror or error}; does another run use it?"
            ) from error
        try:
            await asyncio.wait_for(self._complete.wait(), self._join)
        except TimeoutError:
            missing = sorted(set(range(1, place.processes)) - set(self._members))
            text = (
                f"of {place.processes} processes {', '.join(map(str, missing))} did not "
                f"come to {place.coordinator} within {self._join:g} s"
            )
            await self._to_all(refused=text)
            raise RunError(text) from None
        port = free_port(place.host if local else "")
        address = f"{place.coordinator.rpartition(':')[0]}:{port}"
        await self._to_all(start=address)
        self._beats = asyncio.create_task(
            beat([writer for _, writer in self._members.values()])
        )
        return address

    def fail(self, text: str, *, lost: bool) -> None:
        """Says that this process failed, see `_failed`."""
        self._failed(0, socket.gethostname(), text, lost)

    async def leave(self) -> None:
        """Ends in order, after all the others have."""
        self._left.add(0)
        while len(self._left) < self.place.processes and not self.verdict.done():
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Gives what was said time to arrive."""
        if self._beats is not None:
            self._beats.cancel()
        if self._server is not None:
            self._server.close()
        for _, writer in self._members.values():
            await end(writer)

    async def _to_all(self, **message) -> None:
        for _, writer in self._members.values():
            say(writer, **message)
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.drain(), BEAT)

    def _refusal(self, who: dict) -> str:
        place, process = self.place, who.get("process")
        if who.get("processes") != place.processes:
            return (
                f"the run at {place.coordinator} has {place.processes} processes, "
                f"not {who.get('processes')}"
            )
        if not isinstance(process, int) or not 0 < process < place.processes:
            return f"the run at {place.coordinator} has no process {process}"
        if self._complete.is_set() or process in self._members:
            return f"the run at {place.coordinator} has a process {process} already"
        return ""

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        who = await first(reader, 10 * BEAT)
        refusal = self._refusal(who) if who else "what was said is not understood"
        if refusal:
            say(writer, refused=refusal)
            writer.close()
            return
        process, host = who["process"], str(who.get("host"))
        self._members[process] = (host, writer)
        if len(self._members) == self.place.processes - 1:
            self._complete.set()
        await self._listen(process, host, reader)

    async def _listen(
        self, process: int, host: str, reader: asyncio.StreamReader
    ) -> None:
        text = GONE
        try:
            async for message in lines(reader, self._silence):
                if "failed" in message:
                    text = str(message["failed"])
                    self._failed(process, host, text, bool(message.get("lost")))
                if "left" in message:
                    self._left.add(process)
                    self._changed.set()
        except TimeoutError:
            text = f"has not been heard from for {self._silence:g} s"
        if process not in self._left:
            if self._complete.is_set():
                self._failed(process, host, text, lost=False)
            else:  # It may come again.
                self._members.pop(process, None)

    def _failed(self, process: int, host: str, text: str, lost: bool) -> None:
        """Blames a process; one that only lost touch with another one, last of all."""
        verdict = Verdict(process, host, text)
        wait = self._silence + BEAT if lost else 0.0
        asyncio.get_running_loop().call_later(wait, self._decide, verdict)

    def _decide(self, verdict: Verdict) -> None:
        if self.verdict.done():
            return
        self.verdict.set_result(verdict)
        self._changed.set()
        for _, writer in self._members.values():
            say(writer, verdict=verdict)

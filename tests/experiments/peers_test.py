"""A process that looks for process 0 at an address where there is none."""

import asyncio
import time

import pytest

from experiments.errors import RunError
from experiments.peers import Link, Place, free_port


def join(coordinator, seconds=0.5) -> str:
    """What a process is told that cannot join."""

    async def run():
        link = Link(Place(coordinator, 2, 1), join=seconds, silence=1.0)
        try:
            await link.join()
        finally:
            await link.close()

    start = time.monotonic()
    with pytest.raises(RunError) as caught:
        asyncio.run(run())
    assert time.monotonic() - start < 30
    return str(caught.value)


def test_nothing_answers():
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    said = join(address)
    assert f"nothing answers at {address} within 0.5 s" in said
    assert "is process 0 running there?" in said


def test_an_unknown_machine_is_named():
    assert "nothing answers at no-such-machine.invalid:7" in join(
        "no-such-machine.invalid:7"
    )


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n", b"[1]\n", b'{"beat": 1}\n'])
def test_something_else_answers(answer):
    async def serve(reader, writer):
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = Link(Place(f"127.0.0.1:{port}", 2, 1), join=1.0, silence=1.0)
        with pytest.raises(RunError, match="is the address that of another run"):
            await link.join()
        await link.close()
        server.close()

    asyncio.run(run())


def test_something_that_never_speaks_does_not_hold_it():
    async def run():
        async def serve(reader, writer):
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = Link(Place(f"127.0.0.1:{port}", 2, 1), join=0.2, silence=1.0)
        with pytest.raises(RunError, match="not process 0"):
            await asyncio.wait_for(link.join(), 20)
        await link.close()
        server.close()

    asyncio.run(run())

"""Processes that meet, part and fail, all of them in one event loop."""

import asyncio
import contextlib
import socket

import pytest

from experiments.hub import Hub
from experiments.peers import Link, Place, free_port

HOST = "127.0.0.1"


def place(process, processes, port):
    return Place(f"{HOST}:{port}", processes, process)


@contextlib.asynccontextmanager
async def group(count, *, silence=5.0):
    """All the processes of a run, after they have met."""
    port = free_port(HOST)
    peers = [
        (Link if index else Hub)(place(index, count, port), join=5.0, silence=silence)
        for index in range(count)
    ]
    addresses = await asyncio.gather(*(each.join() for each in peers))
    assert len(set(addresses)) == 1 and addresses[0] != f"{HOST}:{port}"
    try:
        yield peers
    finally:
        for each in reversed(peers):
            await each.close()


async def verdicts(peers):
    return await asyncio.wait_for(asyncio.gather(*(p.verdict for p in peers)), 10)


async def joining(*peers) -> list[str]:
    """What each is told that cannot join."""
    found = await asyncio.gather(*(p.join() for p in peers), return_exceptions=True)
    for each in peers:
        await each.close()
    return [str(each) for each in found]


def test_all_end_in_order():
    async def run():
        async with group(3) as peers:
            await asyncio.gather(*(each.leave() for each in peers))
            for each in peers[1:]:
                await each.close()
            await asyncio.sleep(0.05)
            assert not any(each.verdict.done() for each in peers)

    asyncio.run(run())


@pytest.mark.parametrize("who", [0, 1, 2])
def test_all_hear_who_failed_and_why(who):
    async def run():
        async with group(3) as peers:
            peers[who].fail("failed: odd data", lost=False)
            return await verdicts(peers)

    host = socket.gethostname()
    assert {str(v) for v in asyncio.run(run())} == {
        f"process {who} on {host} failed: odd data"
    }


@pytest.mark.parametrize("who", [0, 2])
def test_a_process_that_is_killed_is_named(who):
    async def run():
        async with group(3) as peers:
            await peers[who].close()
            others = [each for each in peers if each is not peers[who]]
            return await verdicts(others)

    for verdict in asyncio.run(run()):
        assert verdict.process == who and "is gone" in verdict.text


def test_a_silent_process_is_named():
    async def run():
        async with group(3, silence=1.5) as peers:
            # It stays connected, but gives no sign of life.
            peers[1]._tasks[0].cancel()
            return await verdicts(peers)

    for verdict in asyncio.run(run()):
        assert str(verdict).startswith("process 1 ")
        assert "not been heard from for 1.5 s" in verdict.text


def test_one_that_lost_touch_is_blamed_after_the_one_that_died():
    async def run():
        async with group(3) as peers:
            peers[1].fail("failed: connection reset", lost=True)
            await asyncio.sleep(0.1)
            peers[2].fail("was ended by SIGKILL", lost=False)
            return await verdicts(peers)

    assert {v.process for v in asyncio.run(run())} == {2}


def test_one_that_lost_touch_is_blamed_where_nobody_else_is():
    async def run():
        async with group(2, silence=1.5) as peers:
            peers[1].fail("failed: a collective", lost=True)
            return await verdicts(peers)

    assert {v.text for v in asyncio.run(run())} == {"failed: a collective"}


def test_a_process_that_does_not_come_is_named_to_all():
    port = free_port(HOST)

    async def run():
        hub = Hub(place(0, 3, port), join=0.5, silence=5.0)
        return await joining(hub, Link(place(1, 3, port), join=5.0, silence=5.0))

    said = f"of 3 processes 2 did not come to {HOST}:{port} within 0.5 s"
    assert asyncio.run(run()) == [said, said]


def test_one_that_waits_longer_than_a_silence_is_not_forgotten():
    port = free_port(HOST)

    async def run():
        hub = Hub(place(0, 3, port), join=10.0, silence=1.5)
        first = Link(place(1, 3, port), join=10.0, silence=1.5)
        early = [asyncio.create_task(each.join()) for each in (hub, first)]
        await asyncio.sleep(2.0)
        last = Link(place(2, 3, port), join=10.0, silence=1.5)
        assert len({*await asyncio.gather(*early, last.join())}) == 1
        for each in (last, first, hub):
            await each.close()

    asyncio.run(run())


def test_a_port_in_use_is_named():
    async def run():
        with socket.create_server((HOST, 0)) as used:
            port = used.getsockname()[1]
            return await joining(Hub(place(0, 2, port), join=0.5, silence=5.0))

    (said,) = asyncio.run(run())
    assert "cannot listen at port" in said and "another run" in said


@pytest.mark.parametrize(
    ("process", "processes", "message"),
    [
        (1, 2, "has a process 1 already"),
        (1, 4, "has 2 processes, not 4"),
        (5, 2, "has no process 5"),
    ],
)
def test_a_run_that_is_under_way_takes_nobody_in(process, processes, message):
    async def run():
        async with group(2) as peers:
            port = peers[0].place.port
            late = Link(place(process, processes, port), join=2.0, silence=5.0)
            (said,) = await joining(late)
            assert not peers[0].verdict.done() and not peers[1].verdict.done()
            return said

    assert message in asyncio.run(run())


def test_what_is_no_process_of_a_run_is_refused():
    async def run():
        async with group(2) as peers:
            reader, writer = await asyncio.open_connection(HOST, peers[0].place.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            said = await reader.readline()
            writer.close()
            assert not peers[0].verdict.done()
            return said

    assert b"not understood" in asyncio.run(run())

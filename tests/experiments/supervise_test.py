"""Supervisors of workers that only report, sleep or die; no JAX in them."""

import asyncio
import socket
import subprocess
import sys
import time

from experiments import supervise
from experiments.peers import Place, free_port
from tests.experiments import tiny_runs

HOST = socket.gethostname()
SLEEP = "import time; time.sleep(60)"
REPORT = """
import json, os, sys
from experiments import supervise
told = json.loads(os.environ[supervise.WORKER])
channel = supervise.Channel(told["channel"])
channel.report(supervise.Report(sys.argv[1], sys.argv[2] == "lost"))
os._exit(int(sys.argv[3]))
"""
KILLED = "import os; os.kill(os.getpid(), 9)"


def worker(code, *args):
    return [sys.executable, "-c", code, *args]


def report(text, kind="known", status=1):
    return worker(REPORT, text, kind, str(status))


def supervised(capfd, *commands, silence=5.0):
    """Exit statuses and sentences of processes with these workers."""
    port = free_port("127.0.0.1")

    async def run():
        return await asyncio.gather(
            *(
                supervise.supervise(
                    Place(f"127.0.0.1:{port}", len(commands), index),
                    command,
                    join=10.0,
                    silence=silence,
                )
                for index, command in enumerate(commands)
            )
        )

    start = time.monotonic()
    statuses = asyncio.run(run())
    assert time.monotonic() - start < 45
    return statuses, sorted(capfd.readouterr().err.splitlines())


def test_workers_that_end_well_end_the_run(capfd):
    assert supervised(capfd, worker("pass"), worker("pass")) == ([0, 0], [])


def test_an_error_is_told_by_all_with_the_name_of_its_process(capfd):
    commands = worker(SLEEP), report("config.x: odd"), worker(SLEEP)
    statuses, said = supervised(capfd, *commands)
    assert statuses == [1, 1, 1]
    named = f"kdjax: process 1 on {HOST} failed: config.x: odd"
    assert said == ["kdjax: config.x: odd", named, named]


def test_a_killed_worker_is_told_by_all(capfd):
    statuses, said = supervised(capfd, worker(KILLED), worker(SLEEP))
    assert statuses == [1, 1]
    assert said == [
        f"kdjax: process 0 on {HOST} was ended by SIGKILL",
        "kdjax: process 0 was ended by SIGKILL",
    ]


def test_the_one_that_lost_touch_names_the_one_that_died(capfd):
    lost = report("JaxRuntimeError: connection closed", "lost")
    died = worker("import time; time.sleep(1.5);" + KILLED)
    statuses, said = supervised(capfd, lost, died)
    assert statuses == [1, 1]
    assert said == [
        f"kdjax: process 1 on {HOST} was ended by SIGKILL",
        "kdjax: process 1 was ended by SIGKILL",
    ]


def test_an_interruption_is_no_failure(capfd):
    stop = report("interrupted at step 3", status=supervise.INTERRUPTED)
    statuses, said = supervised(capfd, stop, stop)
    assert statuses == [supervise.INTERRUPTED] * 2
    assert said == ["kdjax: interrupted at step 3"] * 2


def test_a_worker_that_printed_its_reason_is_not_repeated(capfd):
    print_it = worker("import sys; print('odd flag', file=sys.stderr); sys.exit(2)")
    statuses, said = supervised(capfd, print_it, worker(SLEEP))
    assert statuses == [1, 1]
    assert said == [
        f"kdjax: process 0 on {HOST} ended with exit status 2",
        "odd flag",
    ]


def test_where_nobody_comes_no_worker_is_started(capfd, tmp_path):
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    left = tmp_path / "left"
    command = worker(f"open({str(left)!r}, 'w')")
    place = Place(address, 2, 1)
    assert supervise.run(place, command, join=0.3, silence=1.0) == 1
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"kdjax: nothing answers at {address} within 0.3 s")
    assert not left.exists()


def test_a_worker_ends_with_its_supervisor():
    ours, theirs = socket.socketpair()
    code = "import sys, time; from experiments.supervise import Channel\n"
    code += "Channel(int(sys.argv[1])); print('up', flush=True); time.sleep(60)"
    with theirs:
        child = subprocess.Popen(
            worker(code, str(theirs.fileno())),
            cwd=tiny_runs.ROOT,
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
        )
    with child:
        assert child.stdout.readline() == b"up\n"
        ours.close()
        assert child.wait(30) == 1

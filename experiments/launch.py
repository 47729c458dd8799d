"""Several processes of one command on this machine: ``python -m experiments.launch``.

Each has CPU devices of its own; they meet on the loopback. Everything behind ``--`` is
what one process would be given::

    python -m experiments.launch --processes=2 -- --config=... --workdir=... --mode=train
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from experiments.peers import free_port

GRACE = 30.0
"""Seconds that the others get to end by themselves after the first that failed."""

DEVICES = "--xla_force_host_platform_device_count"


def environment(base: Mapping[str, str], devices: int) -> dict[str, str]:
    """Of one process: CPU devices, `devices` of them; 0 leaves what is set."""
    flags = base.get("XLA_FLAGS", "").split()
    if devices:
        flags = [flag for flag in flags if not flag.startswith(DEVICES)]
        flags.append(f"{DEVICES}={devices}")
    return {**base, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": " ".join(flags)}


def commands(processes: int, port: int, arguments: Sequence[str]) -> list[list[str]]:
    """The command of each process."""
    return [
        [
            *(sys.executable, "-m", "experiments.run"),
            f"--coordinator=127.0.0.1:{port}",
            f"--processes={processes}",
            f"--process={index}",
            *arguments,
        ]
        for index in range(processes)
    ]


def wait(children: Sequence[subprocess.Popen], *, grace: float) -> int:
    """Waits for all processes; returns the first status that is not 0.

    Args:
      children: the processes.
      grace: seconds after which those that outlive one that failed are killed.
    """
    first, until = 0, None
    while running := [child for child in children if child.poll() is None]:
        ended = [child.returncode for child in children if child.returncode]
        if ended and until is None:
            first, until = ended[0], time.monotonic() + grace
        if until is not None and time.monotonic() > until:
            for child in running:
                child.kill()
        time.sleep(0.05)
    first = first or next((c.returncode for c in children if c.returncode), 0)
    return 128 - first if first < 0 else first


def launch(processes: int, devices: int, arguments: Sequence[str]) -> int:
    """Runs a command on several processes, to the end of all.

    Signals that ask it to end are handed on. It returns the exit status.
    """
    # The folder that `experiments` is imported from need not be the current one.
    children = [
        subprocess.Popen(
            command, env=environment(os.environ, devices), start_new_session=True
        )
        for command in commands(processes, free_port("127.0.0.1"), arguments)
    ]

    def hand_on(number: int, frame: object) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    return wait(children, grace=GRACE)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="experiments.launch", description="One run on several CPU processes."
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--devices", type=int, default=0, help="a process; as set by default"
    )
    parser.add_argument("arguments", nargs="*", help="-- and those of experiments.run")
    given = parser.parse_args()
    if given.processes < 1 or given.devices < 0:
        parser.error("--processes is positive and --devices not negative")
    sys.exit(launch(given.processes, given.devices, given.arguments))


if __name__ == "__main__":
    main()

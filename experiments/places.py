"""Which of several processes this one is: said by flags or by SLURM."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from absl import flags

from experiments.errors import RunError
from experiments.peers import Place

PORTS = (20000, 28000)
"""Where the ports of SLURM jobs lie, below those that the system hands out."""


class Command(NamedTuple):
    """A command line as one of several processes reads it.

    Attributes:
      place: None for a process that is alone or on a TPU pod.
      arguments: the other ones, with the command's name first.
      join: seconds that the processes have to find each other.
      silence: seconds without a sign of life after which a process counts as gone.
    """

    place: Place | None
    arguments: list[str]
    join: float
    silence: float


def define(values: flags.FlagValues) -> None:
    """Adds the flags of this module to some others."""
    to = {"flag_values": values}
    flags.DEFINE_string(
        "coordinator", "", "HOST:PORT of process 0, where there are several.", **to
    )
    flags.DEFINE_integer("processes", 0, "How many processes there are.", **to)
    flags.DEFINE_integer("process", -1, "Which of them this is, from 0.", **to)
    flags.DEFINE_float("join_seconds", 60.0, "To find all the others in.", **to)
    flags.DEFINE_float("silence_seconds", 20.0, "Until one counts as gone.", **to)
    flags.DEFINE_enum(
        "cluster",
        "auto",
        ["auto", "none"],
        "auto: SLURM's processes and TPU pods are found; none: only flags count.",
        **to,
    )


define(flags.FLAGS)


def explicit(coordinator: str, processes: int, process: int) -> Place:
    """The place that the flags name.

    Raises:
      RunError: where one is missing or out of range.
    """
    if not coordinator or processes < 1 or process < 0:
        raise RunError(
            "--coordinator=HOST:PORT, --processes=N and --process=I go together"
        )
    if process >= processes:
        raise RunError(f"--process={process} is not below --processes={processes}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise RunError(f"--coordinator={coordinator} is not HOST:PORT")
    return Place(coordinator, processes, process)


def first_host(nodes: str) -> str:
    """The first machine of a SLURM list, such as ``node[01-04,07],login``."""
    match = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
    if match is None:
        raise RunError(f"SLURM's list of machines is not understood: {nodes!r}")
    return "".join(part or "" for part in match.groups())


def slurm(environment: Mapping[str, str]) -> Place | None:
    """The place that ``srun`` gave this process; None outside of its steps.

    A step of one task, such as an interactive shell, is not several processes. Where
    several tasks share a machine and each sees all its GPUs, each takes one.

    Args:
      environment: of the process.
    """
    needed = ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_PROCID")
    if any(name not in environment for name in needed):
        return None
    processes = int(environment["SLURM_STEP_NUM_TASKS"])
    job, step = (int(environment.get(f"SLURM_{k}", 0)) for k in ("JOB_ID", "STEP_ID"))
    low, high = PORTS
    port = low + (job * 8 + step) % (high - low)
    nodes = int(environment.get("SLURM_STEP_NUM_NODES", processes))
    visible = environment.get("CUDA_VISIBLE_DEVICES", "several,").count(",") > 0
    return Place(
        f"{first_host(environment['SLURM_STEP_NODELIST'])}:{port}",
        processes,
        int(environment["SLURM_PROCID"]),
        (int(environment.get("SLURM_LOCALID", 0)),)
        if visible and processes > nodes
        else None,
    )


def of(arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
    """Where this process stands, from its arguments or from SLURM.

    The other flags are left alone: among them is the config page, which is code.

    Args:
      arguments: of the command, with its name first.
      environment: of the process.

    Raises:
      RunError: where the flags make no sense.
    """
    own = flags.FlagValues()
    define(own)
    try:
        rest = own(list(arguments), known_only=True)
    except flags.Error as error:
        raise RunError(str(error).splitlines()[-1]) from error
    join, silence = own.join_seconds, own.silence_seconds
    if join <= 0 or silence <= 0:
        raise RunError("--join_seconds and --silence_seconds are positive")
    place = None
    if own.coordinator or own.processes or own.process >= 0:
        place = explicit(own.coordinator, own.processes, own.process)
    elif own.cluster == "auto":
        place = slurm(environment)
    several = place is not None and place.processes > 1
    return Command(place if several else None, rest, join, silence)


def on_tpu(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether TPU chips are attached that JAX is free to use, so that it knows the pod.

    Args:
      environment: of the process.
    """
    if environment.get("JAX_PLATFORMS", "tpu").split(",")[0] not in ("", "tpu"):
        return False
    return any(os.path.exists(path) for path in ("/dev/accel0", "/dev/vfio/0"))

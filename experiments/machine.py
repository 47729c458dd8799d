"""What a number holds for: versions, devices, command and commit."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
from typing import Any

import jax
from etils import epath
from jax.sharding import Mesh

import kdjax
from experiments import records

LIBRARIES = ("jax", "jaxlib", "flax", "optax", "grain", "numpy")


def versions() -> dict[str, str]:
    """Python, kdjax and the libraries that numbers may depend on."""
    return {
        "python": platform.python_version(),
        "kdjax": kdjax.__version__,
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device(mesh: Mesh) -> dict[str, Any]:
    """Kind and number of the devices of a mesh, and its shape."""
    first = mesh.devices.flat[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": mesh.size,
        "processes": jax.process_count(),
        "mesh": dict(mesh.shape),
    }


def commit() -> str:
    """The commit of the checkout this runs from; "" where it is none."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def record_start(workdir: epath.Path, mesh: Mesh) -> None:
    """Adds a line to ``history.jsonl``: who made this run, when and where."""
    if jax.process_index() != 0:
        return
    line = {
        "time": records.now(),
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
        "commit": commit(),
        "versions": versions(),
        "device": device(mesh),
        "cpus": os.cpu_count(),
    }
    with (workdir / "history.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def history(workdir: epath.Path) -> list[dict[str, Any]]:
    """Every start of a run, the first one first."""
    path = workdir / "history.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]

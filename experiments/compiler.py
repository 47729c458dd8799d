"""Compilations in processes of their own, and their results kept.

A compiler may crash, and on 256 chips it may take minutes. Results are kept under a hash
of the config, of this project's own source files, and of the versions and settings of
what compiles.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from typing import Any

import ml_collections
from etils import epath

from data_pipelines import stored
from experiments import machine, records
from experiments.checkpoints import write_text
from experiments.errors import RunError

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = ("kdjax", "data_pipelines", "experiments")
SETTINGS = ("JAX_", "XLA_FLAGS", "LIBTPU_INIT_ARGS", "KDJAX_DATA_HOME")
"""What the names of environment variables begin with that change a program."""
# The compiler recurses deeper than the usual stack of 8 MiB, which is set at the start.
DEEP_STACK = 'ulimit -s unlimited 2>/dev/null || ulimit -s "$(ulimit -H -s)"; exec "$@"'


def folder(chosen: str) -> epath.Path:
    """Where results are kept: as chosen, else under the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return epath.Path(chosen or f"{base}/kdjax/plan").expanduser()


@functools.cache
def sources() -> str:
    """A hash of this project's own code: another edit may be another program."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def identity(request: dict[str, Any]) -> str:
    """A hash of everything that the result of a request depends on."""
    data = request["config"]["data"]
    prepared = stored.folder_of(data["name"], data.get("data_dir")) / "metadata.json"
    settings = {k: v for k, v in os.environ.items() if k.startswith(SETTINGS)}
    depends = {
        "request": request,
        "sources": sources(),
        "versions": machine.versions() | {"libtpu": _version("libtpu")},
        "settings": settings,
        "data": prepared.stat().st_mtime_ns if prepared.exists() else 0,
    }
    text = json.dumps(depends, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def environment(topology: str) -> dict[str, str]:
    """Of the child: it finds this project, and for a slice touches no device."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if topology:
        own["JAX_PLATFORMS"] = "cpu"
        # Not on Google's cloud, the compiler would wait for its metadata server.
        own["TPU_SKIP_MDS_QUERY"] = "1"
        # Its lock is for those who use the chips of a host.
        own["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"
    return {**os.environ, **own}


def fault(name: str, topology: str, code: int, errors: str) -> str:
    """In one sentence, how a child ended that left no result."""
    where = f"the step of {name} for {topology or 'this machine'}"
    if code < 0:
        return (
            f"the compiler crashed ({signal.Signals(-code).name}) on {where}; try "
            "another batch size, or another version of libtpu"
        )
    last = [line.strip() for line in errors.splitlines() if line.strip()][-1:]
    reason = re.sub(r"^[\w.]+(Error|Exception): ", "", last[0]) if last else "no reason"
    return f"{where} could not be compiled (exit {code}: {reason})"


def compiled(request: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Has a child compile.

    Args:
      request: see `experiments.planned`.
      minutes: that it may take.

    Returns:
      The child's result.

    Raises:
      RunError: where it crashes, takes longer or says why it cannot.
    """
    name, topology = request["role"], request["topology"]
    with tempfile.TemporaryDirectory() as scratch:
        result = pathlib.Path(scratch) / "result.json"
        child = [sys.executable, "-m", "experiments.planned", str(result)]
        try:
            ended = subprocess.run(
                ["sh", "-c", DEEP_STACK, "sh", *child],
                input=json.dumps(request),
                env=environment(topology),
                capture_output=True,
                text=True,
                timeout=60 * minutes,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RunError(
                f"compiling the step of {name} took more than {minutes:g} minutes; "
                "--minutes allows more"
            ) from error
        if not result.exists():
            raise RunError(fault(name, topology, ended.returncode, ended.stderr))
        found = json.loads(result.read_text())
    if "error" in found:
        raise RunError(found["error"])
    return found


def ask(
    config: ml_collections.ConfigDict,
    name: str,
    topology: str,
    *,
    minutes: float,
    cache: epath.Path,
) -> dict[str, Any]:
    """What `experiments.planned` says of a role's step, from the cache if it is there.

    Args:
      config: of the experiment.
      name: role.
      topology: slice of TPUs, or "" for this machine, whose results are not kept.
      minutes: that a compilation may take.
      cache: folder of results.

    Returns:
      Numbers by name, and ``cached``, whether they were there already.

    Raises:
      RunError: where the step cannot be compiled.
    """
    request = {"config": records.described(config), "role": name, "topology": topology}
    if not topology:
        return compiled(request, minutes) | {"cached": False}
    path = cache / f"{identity(request)}.json"
    if path.exists():
        return json.loads(path.read_text()) | {"cached": True}
    found = compiled(request, minutes)
    cache.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found))
    return found | {"cached": False}

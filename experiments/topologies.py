"""Slices of TPU pods that programs can be compiled for without having one."""

import importlib.util
import math
import re
from typing import Any

import jax
from jax.experimental import topologies

from experiments.errors import RunError

GENERATIONS = {"v4": 3, "v5e": 2, "v5p": 3, "v6e": 2}
"""Axes of the network of chips, by generation."""


def shape(name: str) -> tuple[str, tuple[int, ...]]:
    """Generation and chips along each axis of a slice such as ``v5e:16x16``.

    Raises:
      RunError: where the name is not that of a slice.
    """
    match = re.fullmatch(r"(\w+):(\d+(?:x\d+)+)", name)
    known = ", ".join(GENERATIONS)
    if not match or match[1] not in GENERATIONS:
        raise RunError(
            f"--topology={name}: there is no such TPU; it is a generation ({known}), a "
            "colon and the chips along each axis, such as v5e:16x16 or v5p:4x4x8"
        )
    chips = tuple(map(int, match[2].split("x")))
    if len(chips) != GENERATIONS[match[1]] or not all(chips):
        raise RunError(
            f"--topology={name}: a slice of {match[1]} has {GENERATIONS[match[1]]} axes "
            "of at least one chip"
        )
    return match[1], chips


def check(name: str) -> None:
    """Refuses what cannot be compiled for, without loading the compiler.

    Raises:
      RunError: where the name is not that of a slice, or libtpu is not installed.
    """
    shape(name)
    if importlib.util.find_spec("libtpu") is None:
        raise RunError(
            f"--topology={name} needs TPU's compiler, which is not installed: "
            "pip install libtpu in the version that this JAX asks for, or 'kdjax[tpu]'"
        )


def devices(name: str) -> list[Any]:
    """The chips of a slice, none of which has to exist.

    A device is a whole chip, as in training: of TPU v4 both cores together.

    Raises:
      RunError: where the compiler is absent or knows no such slice.
    """
    check(name)
    generation, chips = shape(name)
    options: dict[str, Any] = {}
    if generation == "v4":
        options["chip_config_name"] = "megacore"
    if math.prod(chips) < 4:
        # Fewer chips than a host has by default.
        options["chips_per_host_bounds"] = [*chips, 1, 1][:3]
    try:
        found = topologies.get_topology_desc(name, "tpu", **options)
    except (jax.errors.JaxRuntimeError, RuntimeError) as error:
        reason = str(error).splitlines()[0].partition(": ")[2] or str(error)
        raise RunError(f"--topology={name}: no such slice ({reason})") from error
    return list(found.devices)

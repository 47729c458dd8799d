"""What every role of a config would need and take on hardware that need not be here.

    python -m experiments.run --mode=plan --config=PAGE --topology=v5e:16x16

compiles the real training step of every role that is trained for a slice of TPUs, on any
machine with the package ``libtpu``; without ``--topology`` for the devices of this one.
Nothing runs and no data set has to be prepared: where it is not, its shapes are those of
the official recordings (`data_pipelines.datasets.outline`). What is printed of time is
the compiler's estimate and never a measurement; the last line is the same as JSON.

``--roles`` chooses roles; ``--largest_batch`` searches the largest power of two of
examples a device that fits. A compilation is a process of its own, which may crash or
take longer than ``--minutes``; for slices its result is kept in ``--plan_cache`` under
everything that it depends on. ``--append=FILE`` and ``--workdir``, whose ``plan.jsonl``
gets it, keep the JSON line.
"""

import functools
import importlib.metadata
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import ml_collections
from etils import epath

from experiments import compiler, machine, plan_table, records, topologies
from experiments.build import parse_schedule, teachers_first
from experiments.chips import CHIPS
from experiments.errors import RunError
from experiments.estimates import estimated, fits
from experiments.largest import guess, search

NOTE = "the compiler's estimates; nothing was run or measured"


def trained(config: ml_collections.ConfigDict, wanted: list[str]) -> list[str]:
    """Roles of the schedule that take steps, those that are wanted.

    Raises:
      RunError: where there is none, or one is wanted that is not trained.
    """
    names = teachers_first(config, parse_schedule(config))
    names = [name for name in names if not config.roles[name].trajectory]
    if unknown := sorted(set(wanted) - set(names)):
        raise RunError(f"--roles: {unknown[0]} is not one of {', '.join(names)}")
    if not names:
        raise RunError("no role of config.schedule is trained: all are replayed")
    return [name for name in names if not wanted or name in wanted]


def with_batch(
    config: ml_collections.ConfigDict, name: str, size: int
) -> ml_collections.ConfigDict:
    """The config with another batch size of one role."""
    changed = ml_collections.ConfigDict(config.to_dict())
    changed.roles[name].batch_size = size
    return changed.lock()


Compile = Callable[[int], dict[str, Any]]


def largest(ask: Compile, found: dict[str, Any], say: Callable) -> dict[str, Any]:
    """The largest batch of a role that fits, by powers of two of examples a part.

    Args:
      ask: compiles the step at a batch size.
      found: what it says at the config's.
      say: takes a line for every attempt.

    Returns:
      ``batch_size``, 0 where not even one example fits, and its estimates.

    Raises:
      RunError: where the memory of the devices is not known.
    """
    chip = CHIPS.get(found["device"]["kind"])
    if chip is None:
        kind = found["device"]["kind"]
        raise RunError(f"--largest_batch: the memory of a {kind} device is not known")
    parts, tried = found["device"]["mesh"]["data"], {}

    def forecast(result: dict[str, Any]) -> int:
        use, each = result["memory"], result["batch_size"] // parts
        return guess(chip.memory, use["arguments"], use["peak"], each)

    def attempt(exponent: int) -> int | None:
        result = ask(parts * 2**exponent)
        say(plan_table.attempt(result))
        if not fits(result):
            return None
        tried[exponent] = result
        return forecast(result)

    # An example more than there are is refused, and so is one less than the parts.
    end = math.floor(math.log2(found["training_examples"] / parts)) + 1
    each = found["batch_size"] / parts
    own = math.floor(math.log2(each)) if fits(found) else math.ceil(math.log2(each))
    low, high = (own, end) if fits(found) else (-1, own)
    best = search(attempt, low, high, forecast(found) if fits(found) else own // 2)
    if best < 0:
        return {"batch_size": 0}
    if parts * 2**best == found["batch_size"]:
        return estimated(found)
    return estimated(tried[best] if best in tried else ask(parts * 2**best))


def role(
    config: ml_collections.ConfigDict, name: str, flags: Any, say: Callable
) -> dict[str, Any]:
    """Everything about one role."""

    def ask(size: int) -> dict[str, Any]:
        print(
            f"compiling the step of {name} at a batch of {size}"
            + (f" for {flags.topology}" if flags.topology else ""),
            file=sys.stderr,
        )
        changed = with_batch(config, name, size)
        return compiler.ask(
            changed,
            name,
            flags.topology,
            minutes=flags.minutes,
            cache=compiler.folder(flags.plan_cache),
        )

    found = ask(config.roles[name].batch_size)
    if found["fits"]:
        found = estimated(found)
    say(plan_table.role(name, found))
    if flags.largest_batch:
        best = largest(ask, found, say)
        say(plan_table.largest(best))
        found["largest_batch"] = best
    return found


def surroundings(config: ml_collections.ConfigDict, topology: str) -> dict[str, Any]:
    """What the numbers hold for: config, topology and versions."""
    versions = machine.versions()
    if topology:
        versions["libtpu"] = importlib.metadata.version("libtpu")
    return {
        "time": records.now(),
        "config": records.described(config),
        "topology": topology,
        "note": NOTE,
        "versions": versions,
    }


def main(
    config: ml_collections.ConfigDict, workdir: epath.Path | None, flags: Any
) -> None:
    """Prints what is known of every role, and one line of JSON."""
    if flags.minutes <= 0:
        raise RunError(f"--minutes={flags.minutes} is not positive")
    names = trained(config, flags.roles)
    if flags.topology:
        topologies.check(flags.topology)
    record = surroundings(config, flags.topology)
    say = functools.partial(print, flush=True)
    say(plan_table.head(record))
    record["roles"] = {name: role(config, name, flags, say) for name in names}
    line = json.dumps(record, sort_keys=True)
    say(line)
    records.keep(line, flags.append, workdir and workdir / "plan.jsonl")

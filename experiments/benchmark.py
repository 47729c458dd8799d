"""How fast every role of a config trains on this machine.

    python -m experiments.run --mode=benchmark --config=PAGE --append=speed.jsonl

prints a table and, as its last line, the same as JSON. *Model only* repeats the training
step on one batch that stays on the device; *input only* empties the loader, after an
epoch where examples are kept in memory; *end to end* is the training loop itself.
*Augment only* is what happens to a batch on the device before a network sees it, *heatmaps
only* the drawing of poses in it. For a student the step includes its teachers; *loss only*
is its step without gradient and update, *teachers only* their forward pass. Every loop
warms up first; where anything is compiled after that, the benchmark ends with an error.
TFLOP/s are those of one device; the models' operations are counted by `experiments.flops`.

Nothing is kept but with ``--append=FILE`` or ``--workdir``, whose ``benchmark.jsonl``
then gets the JSON line. ``--compare=FILE`` sets the numbers against the last line of a
file that has the same config and devices. ``--profile`` writes a trace of a few more
steps of every role to ``WORKDIR/profile``.
"""

import functools
import json
import os
from collections.abc import Iterator
from typing import Any

import jax
import ml_collections
from etils import epath
from tqdm import tqdm

from experiments import machine, records
from experiments.build import Experiment, build, build_mesh
from experiments.errors import RunError
from experiments.roles import completed
from experiments.state import init_states
from experiments.stopwatch import WARM_UP, compilations
from experiments.throughput import Bench, measure
from experiments.train import compile_steps
from experiments.workdir import tuples

PARTS = (
    *("model_only", "input_only", "end_to_end", "augment_only", "heatmaps_only"),
    *("loss_only", "teachers_only"),
)


def surroundings(config: ml_collections.ConfigDict, count: int) -> dict[str, Any]:
    """What the numbers hold for: config, devices, versions, and how busy the host is."""
    mesh = build_mesh(config)
    return {
        "time": records.now(),
        "config": records.described(config),
        "device": machine.device(mesh),
        "precision": jax.config.jax_default_matmul_precision or "default",
        "host": {"cpus": os.cpu_count(), "load": os.getloadavg()[0]},
        "steps": count,
        "warm_up": WARM_UP,
        "versions": machine.versions(),
    }


def trained(experiment: Experiment) -> list[str]:
    """Roles of the schedule that take steps; replayed ones only load theirs."""
    names = dict.fromkeys(n for phase in experiment.phases for n in phase.roles)
    return [name for name in names if not experiment.roles[name].trajectory]


def run(
    experiment: Experiment, count: int, profile: epath.Path | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measures every role that is trained.

    Args:
      experiment: from `experiments.build.build`.
      count: steps that are timed.
      profile: folder for traces, or None.

    Yields:
      A role's name and numbers, as soon as they are there.

    Raises:
      RunError: where a step was compiled again after the warm-up.
    """
    mesh, names = build_mesh(experiment.config), trained(experiment)
    if not names:
        raise RunError("no role of config.schedule is trained: all are replayed")
    with (
        compilations() as compiled,
        tqdm(total=len(names), unit="role", disable=None) as bar,
    ):
        states, steps = init_states(experiment, mesh), compile_steps(experiment, mesh)
        bench = Bench(experiment, mesh, states, steps, count, compiled, profile)
        for name in names:
            bar.set_description(name)
            yield name, measure(bench, name)
            bar.update()


COLUMNS = {
    "p50_ms": ("ms p50", ".2f"),
    "p90_ms": ("p90", ".2f"),
    "p99_ms": ("p99", ".2f"),
    "examples_per_second": ("examples/s", ",.0f"),
    "examples_per_second_per_device": ("per device", ",.0f"),
    "tflops_per_second_per_device": ("TFLOP/s", ".3g"),
    "mfu": ("MFU", ".1%"),
}
"""Heading and format of each column."""


def shown(value: float | str, form: str) -> str:
    """A number as the table has it; "unknown" stays."""
    return value if isinstance(value, str) else format(value, form)


def part_lines(found: dict[str, Any]) -> list[str]:
    """One role's timings, a line each."""
    rows = [("", *(heading for heading, _ in COLUMNS.values()))]
    for part in (part for part in PARTS if part in found):
        cells = (
            shown(found[part].get(k, ""), form) for k, (_, form) in COLUMNS.items()
        )
        rows.append((part.replace("_", " "), *cells))
    return [
        f"  {name:14s}" + "".join(f"{c:>11s}" for c in cells) for name, *cells in rows
    ]


def role_table(name: str, found: dict[str, Any]) -> str:
    """One role's part of the table."""
    peak = found["peak_tflops_per_device"]
    memory = found["peak_memory_bytes"] / 2**20
    shapes = ", ".join(f"{key} {shape}" for key, shape in found["batch"].items())
    taught = f"; taught by {', '.join(found['teachers'])}" if found["teachers"] else ""
    facts = {
        "reads": ", ".join(found["inputs"]) + taught,
        "batch": f"{found['batch_size']} examples: {shapes}",
        "parameters": f"{found['parameters']:,}",
        "input wait": f"{found['input_wait']:.2%} of the end-to-end time",
        "compiled": f"in {found['compile_seconds']:.1f} s",
        "recompilations": str(found["recompilations"] or "none"),
        "a step": f"{found['flops_per_step'] / 1e9:,.3f} GFLOP of the models; products of "
        + (", ".join(found["products"]) or "nothing"),
        "device peak": f"{shown(peak, ',.1f')} TFLOP/s ({found['arithmetic']})",
        "memory": f"{memory:,.0f} MiB at its peak so far ({found['peak_memory_of']})",
    }
    listed = [f"  {key + ':':16s}{fact}" for key, fact in facts.items()]
    return "\n".join(["", name, *listed, *part_lines(found)])


def head(record: dict[str, Any]) -> str:
    """What the numbers hold for, above the table."""
    device, host = record["device"], record["host"]
    mesh = ", ".join(f"{axis} {size}" for axis, size in device["mesh"].items())
    facts = {
        "devices": f"{device['count']} x {device['kind']} in "
        + f"{device['processes']} process(es); mesh {mesh}",
        "precision": f"{record['precision']} for float32 products",
        "host": f"{host['cpus']} CPUs, load {host['load']:.1f} at the start",
        "steps": f"{record['steps']} after {record['warm_up']} to warm up",
        "versions": ", ".join(f"{k} {v}" for k, v in record["versions"].items()),
    }
    return "\n".join(f"{key + ':':11s}{fact}" for key, fact in facts.items())


def held_for(record: dict[str, Any]) -> tuple[Any, Any]:
    """The config and the devices that a line's numbers hold for."""
    return completed(tuples(record["config"])), record["device"]


def earlier(path: epath.Path, record: dict[str, Any]) -> dict[str, Any] | None:
    """The last line of a file with the same config and devices.

    Raises:
      RunError: where a line is not a benchmark's.
    """
    last, wanted = None, held_for(record)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            then = json.loads(line)
            if held_for(then) == wanted:
                last = then
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}, line {number} is no benchmark: {error}") from error
    return last


def comparison(now: dict[str, Any], then: dict[str, Any]) -> str:
    """Ratios of examples a second, now over then, by role and part."""
    before = then["versions"]
    changed = ", ".join(
        f"{name} {before.get(name)} -> {version}"
        for name, version in now["versions"].items()
        if before.get(name) != version
    )
    loads = f"load {then['host']['load']:.1f} then, {now['host']['load']:.1f} now"
    lines = ["", f"examples/s over those of {then['time']} ({loads})"]
    if changed:
        lines.append(f"  versions: {changed}")
    for name, found in now["roles"].items():
        old, key = then["roles"].get(name, {}), "examples_per_second"
        ratios = (
            f"{part.replace('_', ' ')} {found[part][key] / old[part][key]:.2f}"
            for part in PARTS
            if part in found and part in old
        )
        lines.append(f"  {name}: {', '.join(ratios) or 'not measured then'}")
    return "\n".join(lines)


def main(
    config: ml_collections.ConfigDict, workdir: epath.Path | None, flags: Any
) -> None:
    """Prints the table, the comparison if one is asked for, and one line of JSON."""
    if flags.steps < 1:
        raise RunError(f"--steps={flags.steps} is not positive")
    if flags.profile and workdir is None:
        raise RunError("--profile needs a --workdir to write its traces to")
    profile = workdir / "profile" if flags.profile else None
    record = surroundings(config, flags.steps)
    then = earlier(epath.Path(flags.compare), record) if flags.compare else None
    show = functools.partial(print, flush=True)
    speak = show if jax.process_index() == 0 else lambda text: None
    speak(head(record))
    record["roles"] = {}
    for name, found in run(build(config), flags.steps, profile):
        record["roles"][name] = found
        speak(role_table(name, found))
    if flags.compare:
        missing = f"\n{flags.compare} has no line of this config on these devices"
        speak(missing if then is None else comparison(record, then))
    line = json.dumps(record, sort_keys=True)
    speak(line)
    if jax.process_index() == 0:
        records.keep(line, flags.append, workdir and workdir / "benchmark.jsonl")

"""How fast every role trains: the model alone, the input alone, and both as in a run.

    python -m experiments.run --mode=benchmark --config=PAGE --append=speed.jsonl

prints a table and, as the last line, the same as JSON. *Model only* repeats the training
step on one batch that stays on the device; *input only* empties the loader; *end to end*
is the training loop itself. For a student the step includes its teachers; *loss only* is
the step without gradient and update, *teachers only* their forward pass.
"""

import dataclasses
import functools
import math
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
from etils import epath
from tqdm import tqdm

from experiments import chips, records
from experiments.build import Experiment, Phase, build
from experiments.errors import RunError
from experiments.state import (
    Pending,
    init_states,
    make_loader,
    role_key,
    teacher_variables,
)
from experiments.stopwatch import Settled, Waited, compilations, settle, timed
from experiments.train import compile_steps, take_step
from kdjax import core, parallel
from kdjax.methods.common import ask_teachers

PROFILED_STEPS = 5
"""Steps in a profile: after the timing, which it would disturb."""


class Bench(NamedTuple):
    """What all measurements of a config share."""

    experiment: Experiment
    mesh: jax.sharding.Mesh
    states: dict[str, core.TrainState]
    steps: dict[str, Callable]
    count: int
    compiled: list[str]


class _Silent:
    """A log that nobody keeps."""

    def write(self, *line: Any) -> None:
        """Drops the line."""


class _Latest(Pending):
    """Pending metrics, of which the newest are at hand to be waited for."""

    def add(self, role: str, step: int, epoch: float, metrics: dict, keys: Any) -> None:
        """Takes one step's metrics."""
        self.latest = metrics
        super().add(role, step, epoch, metrics, keys)


@dataclasses.dataclass
class Rehearsal:
    """What `experiments.train.take_step` changes as it goes, without a run folder."""

    experiment: Experiment
    mesh: jax.sharding.Mesh
    states: dict[str, core.TrainState]
    loaders: dict[str, Waited]
    pending: _Latest
    epochs: dict[str, int]
    step: int = 0
    phase_step: int = 0


def speed(seconds: np.ndarray, examples: int) -> dict[str, float]:
    """Percentiles of a step's time, and examples a second over the whole time.

    Args:
      seconds: of each step.
      examples: in a step, over all devices.

    Returns:
      Milliseconds and rates by name.
    """
    p50, p90, p99 = np.percentile(seconds * 1e3, [50, 90, 99])
    rate = examples * len(seconds) / float(np.sum(seconds))
    return {
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "mean_ms": float(np.mean(seconds) * 1e3),
        "examples_per_second": rate,
        "examples_per_second_per_device": rate / jax.device_count(),
    }


def arguments(bench: Bench, name: str, batch: dict) -> tuple:
    """What a role's step is called with."""
    frozen = teacher_variables(bench.states, bench.experiment.roles[name])
    return bench.states[name], frozen, batch, role_key(bench.experiment, name)


def compile_step(bench: Bench, name: str, batch: dict) -> dict[str, Any]:
    """Compiles a role's step and asks the compiler what it costs."""
    start = time.perf_counter()
    lowered = bench.steps[name].lower(*arguments(bench, name, batch))
    compiled = lowered.compile()
    seconds = time.perf_counter() - start
    # XLA counts one device's part of the program.
    flops = (compiled.cost_analysis() or {}).get("flops", 0.0) * bench.mesh.size
    products = re.findall(
        r"stablehlo\.(?:dot_general|convolution)\b.*: \(tensor<(?:\d+x)*(\w+)>",
        lowered.as_text(),
    )
    return {
        "compile_seconds": seconds,
        "flops_per_step": flops if flops > 0 else "unknown",
        "products": sorted(set(products)),
    }


def model_only(bench: Bench, name: str, batch: dict) -> np.ndarray:
    """Seconds a step on a batch that is on the device already."""
    step = Settled(name, bench.steps[name], bench.compiled)
    _, frozen, batch, key = arguments(bench, name, batch)

    def dispatch():
        bench.states[name], metrics = step(bench.states[name], frozen, batch, key)
        return metrics

    settle(dispatch)
    return timed(dispatch, bench.count, bench.compiled)


def input_only(bench: Bench, name: str) -> np.ndarray:
    """Seconds a batch when nobody computes."""
    loader = Waited(make_loader(bench.experiment, name))
    settle(lambda: next(loader))
    times = [time.perf_counter()]
    for _ in range(bench.count):
        next(loader)
        times.append(time.perf_counter())
    loader.close()
    return np.diff(times)


def end_to_end(
    bench: Bench, name: str, profile: epath.Path | None
) -> tuple[np.ndarray, float]:
    """Seconds a step of the training loop, and the share of it spent on waiting for input.

    Metrics are fetched at log lines only, as in training.
    """
    loader = Waited(make_loader(bench.experiment, name))
    epochs = dict.fromkeys(bench.experiment.roles, 0)
    log = _Latest(_Silent(), [])
    run = Rehearsal(
        bench.experiment, bench.mesh, bench.states, {name: loader}, log, epochs
    )
    phase = Phase((name,), bench.experiment.roles[name].epochs)
    steps = {name: Settled(name, bench.steps[name], bench.compiled)}

    def dispatch():
        take_step(run, phase, steps)
        if run.step % bench.experiment.config.log_every == 0:
            log.flush()
        return log.latest

    try:
        settle(dispatch)
        before = loader.seconds
        seconds = timed(dispatch, bench.count, bench.compiled)
        waited = loader.seconds - before
        if profile is not None:
            with jax.profiler.trace(str(profile / name)):
                jax.block_until_ready([dispatch() for _ in range(PROFILED_STEPS)])
    finally:
        loader.close()
    return seconds, waited / float(np.sum(seconds))


def parts(bench: Bench, name: str, batch: dict) -> Iterator[tuple[str, Callable]]:
    """What of a student's step can be run alone, compiled and warm."""
    role = bench.experiment.roles[name]
    state, frozen, batch, key = arguments(bench, name, batch)
    methods = {teacher: bench.experiment.roles[teacher].method for teacher in frozen}

    def loss(params, state, frozen, batch, key):
        return role.method.loss(params, state, frozen, batch, key)[0]

    def teachers(frozen, batch):
        # Maps would fill the memory while the host runs ahead.
        asked = ask_teachers(methods, frozen, batch)
        return {teacher: outputs["logits"] for teacher, outputs in asked.items()}

    if frozen:
        values = state.params, state.state, frozen, batch, key
        yield "loss_only", functools.partial(jax.jit(loss), *values)
        yield "teachers_only", functools.partial(jax.jit(teachers), frozen, batch)


def peak_memory() -> tuple[int, str]:
    """The most that was in use so far: bytes, and of what."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    if all("peak_bytes_in_use" in each for each in stats):
        return max(each["peak_bytes_in_use"] for each in stats), "device"
    kibi = 1 if sys.platform == "darwin" else 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kibi
    return used, "process, resident"


def rated(found: dict[str, Any]) -> dict[str, Any]:
    """A role's numbers, with TFLOP/s and the share of the hardware's peak added.

    The share (MFU) is of the dense peak of all devices in the arithmetic in use.
    """
    device, flops = jax.devices()[0], found["flops_per_step"]
    precision = jax.config.jax_default_matmul_precision
    numbers = chips.arithmetic(device.platform, found["products"], precision)
    peak = chips.peak_flops(device.device_kind, numbers)
    for name in ("model_only", "end_to_end"):
        tflops, mfu = "unknown", "unknown"
        if flops != "unknown":
            tflops = flops / found[name]["mean_ms"] * 1e3 / 1e12
            if peak is not None:
                mfu = tflops * 1e12 / (peak * jax.device_count())
        found[name] |= {"tflops_per_second": tflops, "mfu": mfu}
    return found | {
        "arithmetic": numbers or "unknown",
        "peak_tflops_per_device": "unknown" if peak is None else peak / 1e12,
    }


def measure(
    bench: Bench, name: str, profile: epath.Path | None, bar: tqdm
) -> dict[str, Any]:
    """Everything about one role."""
    role = bench.experiment.roles[name]
    loader = make_loader(bench.experiment, name)
    batch = {key: value for key, value in next(loader).items() if key != "key"}
    loader.close()
    batch = parallel.shard_batch(batch, bench.mesh)
    bar.set_description(name)
    found = {
        "batch_size": role.batch_size,
        "batch": {key: f"{v.dtype}{list(v.shape)}" for key, v in batch.items()},
        "inputs": list(bench.experiment.config.roles[name].inputs),
        "teachers": list(role.teachers),
        "parameters": sum(map(np.size, jax.tree.leaves(bench.states[name].params))),
        **compile_step(bench, name, batch),
    }
    seconds = {"model_only": model_only(bench, name, batch)}
    seconds["input_only"] = input_only(bench, name)
    seconds["end_to_end"], wait = end_to_end(bench, name, profile)
    for part, dispatch in parts(bench, name, batch):
        settle(dispatch)
        seconds[part] = timed(dispatch, bench.count, bench.compiled)
    found |= {part: speed(each, role.batch_size) for part, each in seconds.items()}
    found["input_wait"] = wait
    # A compilation after the warm-up has ended the measurement with an error.
    found["recompilations"] = 0
    found["peak_memory_bytes"], found["peak_memory_of"] = peak_memory()
    bar.update()
    return rated(found)

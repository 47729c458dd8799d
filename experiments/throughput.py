"""Measures one role: the model alone, the input alone, and both as in training."""

import contextlib
import dataclasses
import functools
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from experiments import chips, flops, xla_options
from experiments.ahead import Ahead
from experiments.build import Experiment, Phase, build_augment
from experiments.state import Pending, make_loader, role_key, teacher_variables
from experiments.stopwatch import Settled, Waited, settle, timed
from experiments.train import take_step
from kdjax import core, parallel
from kdjax.methods.common import ask_teachers

PROFILED_STEPS = 5
"""Steps in a profile: after the timing, which it would disturb."""


class Bench(NamedTuple):
    """What all measurements of a config share.

    Attributes:
      experiment: whose roles are measured.
      mesh: where they run.
      states: of every role; steps replace them.
      steps: jitted, by role.
      count: steps that are timed, after the warm-up.
      compiled: the list of `experiments.stopwatch.compilations`.
      profile: folder for traces, or None.
    """

    experiment: Experiment
    mesh: jax.sharding.Mesh
    states: dict[str, core.TrainState]
    steps: dict[str, Callable]
    count: int
    compiled: list[str]
    profile: epath.Path | None


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
    loaders: dict[str, Ahead]
    pending: _Latest
    epochs: dict[str, int]
    step: int = 0
    phase_step: int = 0


def speed(seconds: np.ndarray, examples: int, devices: int) -> dict[str, float]:
    """Percentiles of a step's time, and examples a second over the whole time.

    Args:
      seconds: of each step.
      examples: in a step, over all devices.
      devices: how many.

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
        "examples_per_second_per_device": rate / devices,
    }


def arguments(bench: Bench, name: str, batch: dict) -> tuple:
    """What a role's step is called with."""
    frozen = teacher_variables(bench.states, bench.experiment.roles[name])
    return bench.states[name], frozen, batch, role_key(bench.experiment, name)


def compile_step(bench: Bench, name: str, batch: dict) -> dict[str, Any]:
    """Compiles a role's step and counts what it multiplies."""
    given, start = arguments(bench, name, batch), time.perf_counter()
    traced = bench.steps[name].trace(*given)
    traced.lower().compile()
    seconds = time.perf_counter() - start
    total, kinds = flops.of_step(bench.experiment, name, bench.mesh, given, traced)
    return {
        "compile_seconds": seconds,
        "flops_per_step": total,
        "products": sorted(kinds),
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
    """Seconds a batch when nobody computes.

    Where examples are kept in memory, the first epoch reads them and is not timed: all
    others find them there.
    """
    kept = bench.experiment.config.data.cache
    with contextlib.closing(make_loader(bench.experiment, name)) as loader:
        for _ in range(bench.experiment.roles[name].steps_per_epoch if kept else 0):
            next(loader)
        settle(lambda: next(loader))
        times = [time.perf_counter()]
        for _ in range(bench.count):
            next(loader)
            times.append(time.perf_counter())
    return np.diff(times)


def end_to_end(bench: Bench, name: str) -> tuple[np.ndarray, float]:
    """Seconds a step of the training loop, and the share of them it waits for input.

    Metrics are fetched at log lines only, as in training.
    """
    experiment, log = bench.experiment, _Latest(_Silent(), [])
    epochs = dict.fromkeys(experiment.roles, 0)
    phase = Phase((name,), experiment.roles[name].epochs)
    steps = {name: Settled(name, bench.steps[name], bench.compiled)}
    with contextlib.closing(make_loader(experiment, name)) as loader:
        waited = Waited(loader)
        ahead = {name: Ahead(waited, bench.mesh)}
        run = Rehearsal(experiment, bench.mesh, bench.states, ahead, log, epochs)

        def dispatch():
            take_step(run, phase, steps)
            if run.step % experiment.config.log_every == 0:
                log.flush()
            return log.latest

        settle(dispatch)
        before = waited.seconds
        seconds = timed(dispatch, bench.count, bench.compiled)
        share = (waited.seconds - before) / float(np.sum(seconds))
        if bench.profile is not None:
            with jax.profiler.trace(str(bench.profile / name)):
                jax.block_until_ready([dispatch() for _ in range(PROFILED_STEPS)])
    return seconds, share


def parts(bench: Bench, name: str, batch: dict) -> Iterator[tuple[str, Callable]]:
    """What of a step can be run alone, compiled and warm."""
    yield from shown(bench, name, batch)
    yield from taught(bench, name, batch)


def shown(bench: Bench, name: str, batch: dict) -> Iterator[tuple[str, Callable]]:
    """What happens to a batch on the device before any network sees it."""
    config, dataset = bench.experiment.config, bench.experiment.data.dataset
    role, key = config.roles[name], role_key(bench.experiment, name)
    drawn = any(step["function"].startswith("heatmaps.") for step in role.augment)
    for part, module, there in (
        ("augment_only", "", bool(role.augment)),
        ("heatmaps_only", "heatmaps", drawn),
    ):
        if there:
            function = build_augment(f"roles.{name}", role, dataset, module)
            yield part, functools.partial(_jitted(bench, function), key, batch)


def taught(bench: Bench, name: str, batch: dict) -> Iterator[tuple[str, Callable]]:
    """The loss of a student, and what its teachers say."""
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
        yield "loss_only", functools.partial(_jitted(bench, loss), *values)
        yield (
            "teachers_only",
            functools.partial(_jitted(bench, teachers), frozen, batch),
        )


def _jitted(bench: Bench, function: Callable) -> Callable:
    """Compiled as training steps are."""
    told = parallel.on(bench.mesh, function)
    return jax.jit(told, compiler_options=xla_options.of_steps())


def peak_memory() -> tuple[int, str]:
    """The most that was in use so far: bytes, and of what."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    if all("peak_bytes_in_use" in each for each in stats):
        return max(each["peak_bytes_in_use"] for each in stats), "device"
    kibi = 1 if sys.platform == "darwin" else 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kibi
    return used, "process, resident"


def rated(found: dict[str, Any], devices: int) -> dict[str, Any]:
    """A role's numbers, with TFLOP/s and the share of the hardware's peak added.

    The share (MFU) is of the dense peak of a device in the arithmetic in use.
    """
    device = jax.devices()[0]
    precision = jax.config.jax_default_matmul_precision
    numbers = chips.arithmetic(device.platform, found["products"], precision)
    peak = chips.peak_flops(device.device_kind, numbers)
    for name in ("model_only", "end_to_end"):
        rate = found["flops_per_step"] / devices / found[name]["mean_ms"] * 1e3
        found[name] |= {
            "tflops_per_second_per_device": rate / 1e12,
            "mfu": "unknown" if peak is None else rate / peak,
        }
    return found | {
        "arithmetic": numbers or "unknown",
        "peak_tflops_per_device": "unknown" if peak is None else peak / 1e12,
    }


def one_batch(bench: Bench, name: str) -> dict[str, jax.Array]:
    """A role's first batch, on the devices."""
    with contextlib.closing(make_loader(bench.experiment, name)) as loader:
        batch = next(loader)
    del batch["key"]
    return parallel.shard_batch(batch, bench.mesh)


def measure(bench: Bench, name: str) -> dict[str, Any]:
    """Everything about one role.

    Returns:
      Numbers by name, as `experiments.benchmark` prints them; "unknown" where the
      backend or the table of `experiments.chips` does not tell.

    Raises:
      RunError: where anything was compiled after the warm-up.
    """
    role, batch = bench.experiment.roles[name], one_batch(bench, name)
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
    seconds["end_to_end"], found["input_wait"] = end_to_end(bench, name)
    for part, dispatch in parts(bench, name, batch):
        settle(dispatch)
        seconds[part] = timed(dispatch, bench.count, bench.compiled)
    devices = bench.mesh.size
    found |= {p: speed(each, role.batch_size, devices) for p, each in seconds.items()}
    # One after the warm-up would have ended the measurement with an error.
    found["recompilations"] = 0
    found["peak_memory_bytes"], found["peak_memory_of"] = peak_memory()
    return rated(found, devices)

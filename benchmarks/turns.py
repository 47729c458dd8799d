"""What comparisons of frameworks share: steps that take turns, and their lines."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import flax
import jax


def torch_module():
    """PyTorch, on as many threads as JAX has; ends the program where there is none."""
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: this comparison alone needs it.")
    torch.set_num_threads(threads())
    torch.manual_seed(0)
    return torch


def threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def take(steps: Mapping[str, Callable], repetitions: int) -> dict[str, dict]:
    """Wall and processor seconds of steps that take turns in one process.

    All meet the same machine; of one that others use too, processor time is steadier.
    """
    found = {kind: {name: [] for name in steps} for kind in ("wall", "processor")}
    for _ in range(repetitions):
        for name, step in steps.items():
            start, busy = time.perf_counter(), time.process_time()
            step()
            found["wall"][name].append(time.perf_counter() - start)
            found["processor"][name].append(time.process_time() - busy)
    return found


def machine(torch=None) -> str:
    """Where and with what was measured."""
    versions = f"JAX {jax.__version__}, Flax {flax.__version__}"
    if torch is not None:
        versions = f"PyTorch {torch.__version__}, {versions}"
    return (
        f"{threads()} threads, {platform.machine()}, load {os.getloadavg()[0]:.1f}; "
        + versions
    )


def report(found: dict[str, dict], against: str) -> None:
    """Prints a line a contestant and kind of time, with its ratio to one of them."""
    for kind, seconds in found.items():
        medians = {name: statistics.median(each) for name, each in seconds.items()}
        for name, values in seconds.items():
            print(
                f"{kind} time, {name}: median {medians[name] * 1e3:.3g} ms a step, "
                f"best {min(values) * 1e3:.3g} ms, {len(values)} steps; "
                f"{medians[name] / medians[against]:.2f} times {against}"
            )

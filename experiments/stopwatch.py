"""Clocks and counters around a jitted step.

JAX returns before a result is there, and the host runs ahead of the device. A step's
time is therefore the interval from one result's being ready to the next one's.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from experiments.errors import RunError

COMPILED = "/jax/core/compile/backend_compile_duration"
"""The event that `jax.monitoring` reports for every program that XLA compiles."""

WARM_UP = 5
"""Calls before anything counts. A weakly typed constant in the state compiles the second
step anew, and the loader's first batches were read ahead."""

ARGUMENTS = ("train_state", "frozen", "batch", "key")
"""Of a training step, in order."""


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """A list of the functions that are compiled meanwhile, one name a program.

    A program that a compilation cache supplies counts as well.
    """
    names = []

    def listen(event: str, duration: float, **details: Any) -> None:
        del duration
        if event == COMPILED:
            names.append(str(details.get("fun_name", "a function")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _kind(leaf: Any) -> str:
    """What a compiled program assumes of an argument."""
    weak = ", weakly typed" if getattr(leaf, "weak_type", False) else ""
    spec = getattr(getattr(leaf, "sharding", None), "spec", None)
    placed = "" if spec is None else f", {spec}"
    return f"{leaf.dtype}{list(leaf.shape)}{weak}{placed}"


def signature(arguments: tuple) -> dict[str, str]:
    """Type, shape and placement of every array among a step's arguments, by path.

    Arrays that were donated meanwhile still have theirs.
    """
    named = dict(zip(ARGUMENTS, arguments))
    leaves = jax.tree_util.tree_leaves_with_path(named)
    return {jax.tree_util.keystr(path): _kind(leaf) for path, leaf in leaves}


class Settled:
    """A jitted step that may be compiled while it warms up, and not again."""

    def __init__(self, role: str, step: Callable, compiled: list[str]):
        """Watches a step.

        Args:
          role: whose step it is, for the message.
          step: called as ``step(train_state, frozen, batch, key)``.
          compiled: the list of `compilations`.
        """
        self._role, self._step, self._compiled = role, step, compiled
        self._calls, self._before = 0, {}

    def __call__(self, *arguments: Any) -> Any:
        """Calls the step.

        Raises:
          RunError: where it was compiled after the warm-up, naming what has changed.
        """
        known = len(self._compiled)
        result = self._step(*arguments)
        self._calls += 1
        if self._calls == WARM_UP:
            self._before = signature(arguments)
        if self._calls > WARM_UP and len(self._compiled) > known:
            raise RunError(
                f"{self._role}: step {self._calls} was compiled again because "
                f"{self._change(signature(arguments))}"
            )
        return result

    def _change(self, now: dict[str, str]) -> str:
        before = self._before
        for path in before | now:
            old, new = before.get(path, "absent"), now.get(path, "absent")
            if old != new:
                return f"{path} was {old} and is {new}"
        return "something else than its arguments' shapes and types has changed"


class Waited:
    """An iterator that adds up the time its caller is kept waiting."""

    def __init__(self, iterator: Iterator):
        """Wraps an iterator."""
        self._iterator, self.seconds = iterator, 0.0

    def __next__(self) -> Any:
        """The next item."""
        start = time.perf_counter()
        item = next(self._iterator)
        self.seconds += time.perf_counter() - start
        return item

    def get_state(self) -> Any:
        """The iterator's position."""
        return self._iterator.get_state()


def _ready_at(result: Any) -> float:
    jax.block_until_ready(result)
    return time.perf_counter()


def intervals(dispatch: Callable[[], Any], count: int) -> np.ndarray:
    """Seconds from each result to the next, the first from the start.

    A thread waits for the results: the caller's loop runs ahead of the device just as it
    does when nobody looks.

    Args:
      dispatch: starts one step and returns arrays that are not donated to the next.
      count: steps.

    Returns:
      As many intervals; they add up to the whole time.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        start = time.perf_counter()
        ready = [pool.submit(_ready_at, dispatch()) for _ in range(count)]
        return np.diff([start, *(each.result() for each in ready)])


def settle(dispatch: Callable[[], Any]) -> None:
    """Warms up and waits until nothing is under way."""
    for _ in range(WARM_UP):
        result = dispatch()
    jax.block_until_ready(result)


def timed(dispatch: Callable[[], Any], count: int, compiled: list[str]) -> np.ndarray:
    """`intervals`, which must not contain a compilation.

    Raises:
      RunError: where XLA compiled anything, naming it.
    """
    known = len(compiled)
    seconds = intervals(dispatch, count)
    if compiled[known:]:
        raise RunError(f"{compiled[known]} was compiled after {WARM_UP} steps")
    return seconds

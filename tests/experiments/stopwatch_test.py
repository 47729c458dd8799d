"""Stopwatch: what is timed, what is waited for, and what may not happen meanwhile."""

import time

import jax
import jax.numpy as jnp
import pytest

from experiments import stopwatch
from experiments.errors import RunError


def test_a_weakly_typed_state_is_named():
    step = jax.jit(lambda state, frozen, batch, key: state + batch)
    strong, weak = jnp.zeros(()), jnp.asarray(0.0)
    assert not strong.weak_type and weak.weak_type
    with stopwatch.compilations() as compiled:
        settled = stopwatch.Settled("student", step, compiled)
        for _ in range(stopwatch.WARM_UP + 1):
            settled(strong, {}, strong, None)
        with pytest.raises(RunError, match=r"student: step 7 .*float32\[\], weakly"):
            settled(weak, {}, weak, None)


def test_a_compilation_beside_the_step_is_refused():
    def dispatch():
        return jax.jit(lambda x: x + 1)(jnp.ones(2))

    refused = pytest.raises(RunError, match="was compiled after")
    with stopwatch.compilations() as compiled, refused:
        stopwatch.timed(dispatch, 2, compiled)


def test_intervals_are_of_results_and_not_of_calls():
    class Result:
        """An array in the making."""

        def block_until_ready(self):
            time.sleep(0.02)
            return self

    start = time.perf_counter()
    seconds = stopwatch.intervals(Result, 5)
    # Calls return at once; every result takes 20 ms after the one before.
    assert len(seconds) == 5 and (seconds >= 0.02).all()
    assert seconds.sum() <= time.perf_counter() - start


def test_waiting_is_added_up():
    def late():
        for letter in "ab":
            time.sleep(0.02)
            yield letter

    waited = stopwatch.Waited(late())
    assert [next(waited), next(waited)] == ["a", "b"]
    assert waited.seconds >= 0.04

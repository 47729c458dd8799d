"""The host runs ahead of the device: the next batch is there before a step ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import build, train
from experiments.ahead import Ahead
from experiments.build import Phase
from experiments.state import example_batch
from experiments.throughput import Rehearsal
from kdjax import parallel
from tests.experiments import tiny_runs

NAME = "student_alone"
MESH = parallel.data_mesh(jax.devices()[:1])


class Log:
    """Metrics of the steps, which nobody fetches."""

    def __init__(self):
        self.metrics = []

    def add(self, role, step, epoch, metrics, keys):
        self.metrics.append(metrics)


@pytest.fixture(scope="module")
def experiment():
    small = dict(model=tiny_runs.NETWORK, augment=())
    changes = {f"roles__{NAME}__{key}": value for key, value in small.items()}
    return build.build(tiny_runs.config(schedule=((NAME, 1),), **changes))


class Counted:
    """A loader of endless batches, each filled with its number."""

    def __init__(self):
        self.next = 0

    def __next__(self):
        self.next += 1
        filled = np.full((2, 4, 3), self.next - 1, np.float32)
        return {"key": np.array([f"{self.next - 1}a", "b"]), "inertial": filled}

    def get_state(self):
        return {"next_index": self.next}

    def set_state(self, state):
        self.next = state["next_index"]


def number(placed):
    """Which batch was handed out."""
    batch, keys = placed
    assert keys[0] == f"{int(batch['inertial'][0, 0, 0])}a"
    return int(batch["inertial"][0, 0, 0])


def test_a_batch_that_is_placed_ahead_is_not_yet_counted():
    loader = Counted()
    ahead = Ahead(loader, MESH)
    assert number(next(ahead)) == 0 and ahead.get_state() == {"next_index": 1}
    ahead.place(jnp.zeros(()))
    assert loader.next == 2 and ahead.get_state() == {"next_index": 1}
    assert number(next(ahead)) == 1 and ahead.get_state() == {"next_index": 2}
    ahead.place(jnp.zeros(()))
    ahead.set_state({"next_index": 7})
    assert ahead.get_state() == {"next_index": 7} and number(next(ahead)) == 7


def test_the_next_batch_is_on_the_device_before_the_step_ends(experiment):
    def slow(state, frozen, batch, key):
        # A large part of a second: a batch is placed in a thousandth of that.
        turn = lambda _, x: jnp.tanh(x @ x)
        state = jax.lax.fori_loop(0, 150, turn, state + batch["inertial"].mean())
        return state, {"loss": state.mean()}

    steps = {NAME: jax.jit(slow, donate_argnums=0)}
    states = {NAME: parallel.replicate(jnp.eye(512), MESH)}
    log, loaders = Log(), {NAME: Ahead(Counted(), MESH)}
    run = Rehearsal(experiment, MESH, states, loaders, log, {NAME: 0})
    train.take_step(run, Phase((NAME,), 1), steps)  # compiles
    jax.block_until_ready(states[NAME])
    first = states[NAME]
    train.take_step(run, Phase((NAME,), 1), steps)
    # What `place` has put there; the step that has begun goes on.
    jax.block_until_ready(next(loaders[NAME])[0])
    assert not log.metrics[1]["loss"].is_ready()
    assert first.is_deleted()


def test_the_host_is_one_step_ahead_and_not_two():
    class Step:
        """Metrics that say whether they were waited for."""

        waited = False

        def block_until_ready(self):
            self.waited = True
            return self

    ahead, (first, second) = Ahead(Counted(), MESH), (Step(), Step())
    ahead.place(first)
    assert not first.waited
    ahead.place(second)
    assert first.waited and not second.waited


def test_a_training_step_reuses_the_memory_of_its_state(experiment):
    steps = train.compile_steps(experiment)
    shapes = jax.eval_shape(lambda: train.fresh_states(experiment))
    batch = example_batch(experiment, NAME, train=True)
    key = train.role_key(experiment, NAME)
    program = steps[NAME].lower(shapes[NAME], {}, batch, key).compile()
    state = sum(
        leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes[NAME])
    )
    assert program.memory_analysis().alias_size_in_bytes >= state

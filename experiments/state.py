"""What a run changes as it goes, and what a checkpoint keeps of it."""

import contextlib
import functools
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.sharding import Mesh

from data_pipelines import loader
from data_pipelines.dataset import Source
from data_pipelines.sources import With, fixed
from experiments import checkpoints, distributed, machine, xla_options
from experiments.ahead import Ahead
from experiments.build import Experiment, Role, build_mesh
from experiments.errors import RunError
from experiments.workdir import MetricsLog
from kdjax import core, parallel
from kdjax.methods.common import flat_outputs, stored_key

Targets = dict[str, dict[str, np.ndarray]]
"""By teacher, what it said of the training split, see `experiments.targets`."""


def role_seed(experiment: Experiment, name: str) -> int:
    """A seed of the role's own: roles shuffle and draw independently."""
    return zlib.crc32(f"{experiment.config.seed}/{name}".encode())


def role_key(experiment: Experiment, name: str) -> jax.Array:
    """The random key that a role folds its step into."""
    return jax.random.key(role_seed(experiment, name))


def teacher_variables(states: dict[str, core.TrainState], role: Role) -> dict:
    """The variables of a role's teachers: what its loss gets as ``frozen``.

    None where what the teachers say comes with the batch.
    """
    taught = {} if role.stored_targets else {n: states[n] for n in role.teachers}
    return {name: (each.params, each.state) for name, each in taught.items()}


@contextlib.contextmanager
def naming(role: str) -> Iterator[None]:
    """Says whose config an error of tracing comes from.

    Raises:
      RunError: where shapes do not fit, or an option turns out not to be possible.
    """
    try:
        yield
    except (TypeError, ValueError, KeyError) as error:
        raise RunError(f"config.roles.{role}: {error}") from error


def blank_targets(experiment: Experiment, name: str) -> Targets:
    """Targets of the right shapes for a role to be traced and timed with."""
    role, data = experiment.roles[name], experiment.data
    count, classes = len(data.sources["train"]), len(data.dataset.classes)

    def blank(shape, dtype=np.float32):
        # One zero seen many times: stages of a whole split would be large.
        return np.broadcast_to(np.zeros((), dtype), (count, *shape))

    found = {}
    for teacher in role.teachers if role.stored_targets else ():
        if role.stored_targets == ("logits",):
            found[teacher] = {"logits": blank((classes,))}
            continue
        with naming(name):
            shapes = output_shapes(experiment, teacher, role.stored_targets)
        found[teacher] = {k: blank(s.shape[1:], s.dtype) for k, s in shapes.items()}
    return found


def output_shapes(
    experiment: Experiment, name: str, names: Sequence[str]
) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of some outputs of a role on one example."""

    def ask():
        states = {}
        for each in experiment.roles:  # teachers come before their students
            states[each] = fresh_state(experiment, each, states)
            if each == name:
                break
        batch = example_batch(experiment, name, train=False)
        out = core.eval_step(experiment.roles[name].method, states[name], batch)
        return flat_outputs(out, names)

    return jax.eval_shape(ask)


def training_source(experiment: Experiment, targets: Targets) -> Source:
    """The training examples, with what teachers said of them before."""
    source = experiment.data.sources["train"]
    fields = {
        stored_key(teacher, name): array
        for teacher, said in targets.items()
        for name, array in said.items()
    }
    return With(source, fields) if fields else source


def example_batch(
    experiment: Experiment, name: str, *, train: bool
) -> dict[str, jax.Array]:
    """A batch of one row, as a role's training step gets it or as inference does."""
    source = training_source(experiment, blank_targets(experiment, name))
    source = source if train else fixed(source)
    batch = loader.gather(source, np.arange(1))
    del batch["key"]
    return jax.tree.map(jnp.asarray, batch)


def fresh_state(
    experiment: Experiment, name: str, states: dict[str, core.TrainState]
) -> core.TrainState:
    """A role's train state before its first step; `states` has its teachers'."""
    role, batch = experiment.roles[name], example_batch(experiment, name, train=False)
    # A branch of the key that no step reaches.
    key = jax.random.fold_in(role_key(experiment, name), 2**31 - 1)
    frozen = teacher_variables(states, role)
    with naming(name):
        return core.init_state(role.method, role.optimizer, key, batch, frozen)


def fresh_states(experiment: Experiment) -> dict[str, core.TrainState]:
    """Every role's train state before its first step; pure, to be jitted or traced."""
    states = {}
    for name in experiment.roles:
        states[name] = fresh_state(experiment, name, states)
    return states


def step_shapes(
    experiment: Experiment, name: str, states: dict[str, core.TrainState], mesh: Mesh
) -> tuple[core.TrainState, dict, dict[str, jax.ShapeDtypeStruct]]:
    """What a role's step is called with but for its key: shapes, and where they lie.

    A step that is traced with them is not traced again when it runs.

    Args:
      experiment: whose training split is read.
      name: role.
      states: every role's train state, or its shapes.
      mesh: where the step runs.

    Returns:
      The role's train state, its teachers' variables and a batch.
    """
    role, whole = experiment.roles[name], parallel.replicated(mesh)

    def placed(leaf):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole)

    batch = {}
    for field, array in example_batch(experiment, name, train=True).items():
        shape = (role.batch_size, *array.shape[1:])
        split = parallel.split_batch(mesh, field, shape)
        batch[field] = jax.ShapeDtypeStruct(shape, array.dtype, sharding=split)
    given = states[name], teacher_variables(states, role)
    state, frozen = jax.tree.map(placed, given)
    return state, frozen, batch


def init_states(experiment: Experiment, mesh: Mesh) -> dict[str, core.TrainState]:
    """Every role's train state before its first step, whole on each device."""
    fresh = functools.partial(fresh_states, experiment)
    options = xla_options.of_starts(mesh.devices.flat[0].platform)
    return distributed.replicate(jax.jit(fresh, compiler_options=options)(), mesh)


def make_loader(
    experiment: Experiment, name: str, targets: Targets | None = None
) -> loader.Loader:
    """The training batches of a role, this process's share of them.

    Args:
      experiment: whose training split is read.
      name: role.
      targets: of its teachers, where it reads them; blank ones by default.

    Returns:
      An endless loader.
    """
    processes = jax.process_count()
    targets = blank_targets(experiment, name) if targets is None else targets
    return loader.make_loader(
        training_source(experiment, targets),
        batch_size=experiment.roles[name].batch_size // processes,
        seed=role_seed(experiment, name),
        process_index=jax.process_index(),
        process_count=processes,
        threads=reading_threads(experiment),
    )


def reading_threads(experiment: Experiment) -> int:
    """Threads that prepare batches: one for what is kept in memory, else one a core.

    Decoding holds no lock of Python's: `benchmarks.decode` has its rates by threads.
    """
    return 1 if experiment.config.data.cache else machine.cores()


class Pending:
    """Metrics of the steps since the last log line, fetched as late as possible.

    A step's metrics stay on the device until a line is due, so that the host runs
    ahead of it.
    """

    def __init__(self, log: MetricsLog, kept: list[dict]):
        """Continues with what a checkpoint kept."""
        self._log, self._fetched, self._waiting = log, list(kept), []

    def add(self, role: str, step: int, epoch: float, metrics: dict, keys: Any) -> None:
        """Takes one step's metrics and the keys of its batch."""
        record = {"role": role, "step": step, "epoch": epoch}
        self._waiting.append((record, metrics, keys))

    def fetch(self) -> list[dict]:
        """All pending records with values on the host.

        Raises:
          RunError: at the first step with a value that is not finite, after its line
            is written; names the terms and the batch.
        """
        waiting, self._waiting = self._waiting, []
        for record, metrics, keys in waiting:
            values = {name: float(v) for name, v in jax.device_get(metrics).items()}
            bad = [name for name, value in values.items() if not math.isfinite(value)]
            if bad:
                self._write([{**record, "values": values}])
                raise RunError(
                    f"{record['role']}: {', '.join(bad)} not finite at step "
                    f"{record['step']} on the batch {', '.join(map(str, keys))}"
                )
            self._fetched.append({**record, "values": values})
        return self._fetched

    def flush(self) -> None:
        """Writes one line a role, the mean over its pending steps."""
        records, self._fetched = self.fetch(), []
        for role in dict.fromkeys(record["role"] for record in records):
            self._write([record for record in records if record["role"] == role])

    def _write(self, records: list[dict]) -> None:
        last = records[-1]
        mean = {
            name: math.fsum(record["values"][name] for record in records) / len(records)
            for name in last["values"]
        }
        self._log.write(last["role"], "train", last["step"], last["epoch"], mean)


class Run:
    """Train states, position in the schedule and in the data, and the log."""

    def __init__(self, experiment: Experiment, workdir: epath.Path):
        """Starts a run, or takes it up at its newest whole checkpoint."""
        self.experiment, self.workdir = experiment, workdir
        self.mesh = build_mesh(experiment.config)
        self.states = init_states(experiment, self.mesh)
        self.step = self.phase = self.phase_step = 0
        self.epochs = dict.fromkeys(experiment.roles, 0)
        self._folder = workdir / "checkpoints"
        restored = checkpoints.restore(self._folder, self.states, move_damaged=True)
        kept = {"log_offset": 0, "pending": [], "loaders": {}}
        if restored is not None:
            self.step, self.states, kept = restored
            self.phase, self.phase_step = kept["phase"], kept["phase_step"]
            self.epochs = kept["epochs"]
        self.log = MetricsLog(workdir, kept["log_offset"])
        self.pending = Pending(self.log, kept["pending"])
        self.loaders, self._positions = {}, kept["loaders"]
        if restored is None:
            self.save()

    def open_loader(self, name: str, targets: Targets) -> None:
        """Begins to read a role's batches, or goes on from where a checkpoint was."""
        if name not in self.loaders:
            batches = make_loader(self.experiment, name, targets)
            self.loaders[name] = Ahead(batches, self.mesh)
            if name in self._positions:
                self.loaders[name].set_state(self._positions[name])

    def save(self) -> None:
        """Writes a checkpoint of exactly this moment."""
        opened = {name: each.get_state() for name, each in self.loaders.items()}
        progress = {
            "phase": self.phase,
            "phase_step": self.phase_step,
            "epochs": self.epochs,
            "pending": self.pending.fetch(),
            "log_offset": self.log.offset,
            "loaders": self._positions | opened,
        }
        keep = self.experiment.config.keep_checkpoints
        checkpoints.save(self._folder, self.step, self.states, progress, keep=keep)

    def close(self) -> None:
        """Ends reading threads and event files."""
        for each in self.loaders.values():
            each.close()
        self.log.close()

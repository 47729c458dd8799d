"""The one loop: build, restore, for each phase for each step, evaluate, save."""

import contextlib
import functools
import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import jax
import ml_collections
from etils import epath
from jax.sharding import Mesh
from tqdm import tqdm

from experiments import (
    distributed,
    evaluate,
    machine,
    measures,
    outcome,
    targets,
    trajectory,
    xla_options,
)
from experiments.build import Experiment, Phase, build, build_mesh
from experiments.checkpoints import write_text
from experiments.errors import Interrupted
from experiments.state import (
    Run,
    fresh_states,
    naming,
    role_key,
    step_shapes,
    teacher_variables,
)
from experiments.workdir import check_config, locked
from kdjax import core, parallel


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that SIGTERM and SIGINT append to instead of ending the process.

    Of several processes JAX takes SIGTERM, and tells the others of it.
    """
    received, numbers = [], (signal.SIGTERM, signal.SIGINT)

    def receive(number: int, frame: object) -> None:
        received.append(number)

    def hand_on(number: int, frame: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    if jax.process_count() > 1:
        receive, numbers = hand_on, (signal.SIGINT,)
    handlers = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def compile_steps(
    experiment: Experiment, mesh: Mesh | None = None
) -> dict[str, Callable]:
    """One jitted training step a role; the train state's memory is reused.

    Args:
      experiment: of the roles.
      mesh: that the steps are compiled for; that of the config without it.

    Returns:
      The steps by role.
    """
    mesh = build_mesh(experiment.config) if mesh is None else mesh
    options = xla_options.of_steps(mesh.devices.flat[0].platform)
    return {
        name: jax.jit(
            functools.partial(
                parallel.on(mesh, core.train_step),
                role.method,
                role.optimizer,
                accumulate=role.accumulate,
            ),
            donate_argnums=0,
            compiler_options=options,
        )
        for name, role in experiment.roles.items()
    }


def check_steps(experiment: Experiment, steps: dict[str, Callable]) -> None:
    """Traces the step of every role that trains, before anything is written.

    Raises:
      RunError: naming the role whose step cannot be computed.
    """
    states = jax.eval_shape(functools.partial(fresh_states, experiment))
    mesh = build_mesh(experiment.config)
    for name, role in experiment.roles.items():
        if not role.trajectory:
            given = step_shapes(experiment, name, states, mesh)
            with naming(name):
                steps[name].eval_shape(*given, role_key(experiment, name))


def take_step(run: Run, phase: Phase, steps: dict[str, Callable]) -> None:
    """One batch, and one update of each of the phase's roles on it."""
    experiment = run.experiment
    loader = run.loaders[phase.roles[0]]
    batch, keys = next(loader)
    for name in phase.roles:
        role, state = experiment.roles[name], run.states[name]
        done = run.epochs[name] * role.steps_per_epoch
        done += run.phase_step % role.steps_per_epoch + 1
        frozen = teacher_variables(run.states, role)
        key = role_key(experiment, name)
        run.states[name], metrics = steps[name](state, frozen, batch, key)
        run.pending.add(name, done, done / role.steps_per_epoch, metrics, keys)
    run.step += 1
    run.phase_step += 1
    loader.place(metrics)


def evaluate_roles(
    run: Run, names: tuple[str, ...], *, keep: bool = False
) -> dict[str, dict]:
    """Numbers of the named roles on every split but the training one, logged.

    With `keep`, logits, labels and keys go to ``predictions/ROLE_SPLIT.npz``.
    """
    results = {}
    for name in names:
        role, results[name] = run.experiment.roles[name], {}
        for split, source in run.experiment.data.sources.items():
            if split == "train":
                continue
            found = evaluate.predict(
                role.method, run.states[name], source, role.batch_size, run.mesh
            )
            results[name][split] = evaluate.summary(found)
            step = run.epochs[name] * role.steps_per_epoch
            run.log.write(name, split, step, run.epochs[name], results[name][split])
            if keep and jax.process_index() == 0:
                evaluate.write(
                    run.workdir / "predictions" / f"{name}_{split}.npz", found
                )
    return results


def end_epoch(run: Run, phase: Phase) -> None:
    """Counts the epoch, keeps its variables for other runs, evaluates when due."""
    for name in phase.roles:
        run.epochs[name] += 1
        role, epoch = run.experiment.roles[name], run.epochs[name]
        if role.keep == "all" or (role.keep == "last" and epoch == role.epochs):
            path = trajectory.path_of(run.workdir, name, epoch)
            trajectory.save(run.experiment, path, name, run.states[name], run.mesh)
    every = run.experiment.config.eval_every
    due = [n for n in phase.roles if every and run.epochs[n] % every == 0]
    if due:
        run.pending.flush()
        evaluate_roles(run, tuple(due))


def run_phase(run: Run, phase: Phase, steps: dict, stop: list[int], bar: tqdm) -> None:
    """Trains the phase's roles from where the run stands in it."""
    config = run.experiment.config
    per_epoch = run.experiment.roles[phase.roles[0]].steps_per_epoch
    while run.phase_step < phase.epochs * per_epoch:
        take_step(run, phase, steps)
        bar.update()
        if run.step % config.log_every == 0:
            run.pending.flush()
        if run.phase_step % per_epoch == 0:
            end_epoch(run, phase)
        if distributed.stopping(stop, run.step):
            run.save()
            raise Interrupted(
                f"interrupted at step {run.step}; the same command goes on from there"
            )
        if run.step % config.checkpoint_every == 0:
            run.save()


def check_teachers(run: Run, phase: Phase) -> None:
    """Refuses teachers that have ended their training without learning."""
    roles = run.experiment.roles
    for name in {teacher for role in phase.roles for teacher in roles[role].teachers}:
        if run.epochs[name] == roles[name].epochs and not roles[name].trajectory:
            trajectory.check(run.experiment, name, run.states[name], run.mesh)


def open_phase(run: Run, phase: Phase) -> None:
    """Begins to read a phase's batches, after its teachers were asked where they are.

    Roles that share their batches share what comes with them.
    """
    said = {}
    for name in phase.roles:
        role = run.experiment.roles[name]
        for teacher in role.teachers if role.stored_targets else ():
            said[teacher] = targets.stored(
                run.experiment,
                run.workdir,
                teacher,
                run.states[teacher],
                run.mesh,
                names=role.stored_targets,
            )
    run.open_loader(phase.roles[0], said)


def replay_phase(run: Run, phase: Phase) -> None:
    """Advances roles by loading what another run kept at the same epoch."""
    for name in phase.roles:
        run.epochs[name] += phase.epochs
        run.states[name], _ = trajectory.load(
            run.experiment, name, run.epochs[name], run.states[name], run.mesh
        )


def add_best(run: Run, results: dict[str, dict]) -> None:
    """The best of all evaluations, where the config asks for it, see `measures.BEST`."""
    asked = [m for m in run.experiment.config.measures if m.startswith(measures.BEST)]
    log = outcome.read_log(run.workdir / "metrics.jsonl")
    for role, splits in results.items():
        for split, numbers in splits.items():
            for measure in asked:
                name = measure.removeprefix(measures.BEST)
                _, values = outcome.series(log, role, split, name)
                numbers[measure] = float(values.max())


def finish(run: Run) -> dict[str, dict]:
    """Evaluates every role; writes its model, its predictions and ``results.json``."""
    run.pending.flush()
    # Before the evaluation: a run killed in it evaluates again and logs the same lines.
    run.save()
    results = evaluate_roles(run, tuple(run.experiment.roles), keep=True)
    for name, state in run.states.items():
        own = evaluate.deployed_state(state)
        model = run.workdir / "models" / f"{name}.safetensors"
        trajectory.save(run.experiment, model, name, own, run.mesh)
    if jax.process_index() == 0:
        add_best(run, results)
        ended = {"step": run.step, "epochs": run.epochs, "roles": results}
        write_text(run.workdir / "results.json", json.dumps(ended, indent=2) + "\n")
    return results


def tell_devices(workdir: epath.Path, mesh: Mesh) -> None:
    """Says where a run goes on other devices than before; its batches are the same."""
    if jax.process_index() != 0:
        return
    then, now = machine.history(workdir)[-1:], machine.device(mesh)
    changed = {k: v for k, v in now.items() if then and then[0]["device"].get(k) != v}
    if changed:
        before = {key: then[0]["device"].get(key) for key in changed}
        print(f"the run goes on with {changed}, before {before}")


def train(experiment: Experiment, workdir: epath.Path) -> dict[str, dict]:
    """Runs an experiment to its end, from wherever its folder says it stands.

    Args:
      experiment: from `experiments.build.build`.
      workdir: the run's folder, locked by the caller.

    Returns:
      Numbers by role and split, as in ``results.json``.

    Raises:
      RunError: in one sentence, where the run cannot go on.
      Interrupted: after a checkpoint or the end, where a signal asked the run to end.
    """
    ended = workdir / "results.json"
    if distributed.agree(ended.exists()):
        check_config(workdir, experiment.config)
        return json.loads(ended.read_text())["roles"]
    sizes = {n: r.batch_size for n, r in experiment.roles.items() if not r.trajectory}
    distributed.check_mesh(build_mesh(experiment.config), sizes)
    steps = compile_steps(experiment)
    check_steps(experiment, steps)
    # Only now: what cannot be trained leaves the folder to a config that can.
    check_config(workdir, experiment.config)
    run = Run(experiment, workdir)
    tell_devices(workdir, run.mesh)
    machine.record_start(workdir, run.mesh)
    trajectory.check_replayed(experiment, run.states, run.mesh)
    phases = experiment.phases
    total = sum(
        phase.epochs * experiment.roles[phase.roles[0]].steps_per_epoch
        for phase in phases
        if not experiment.roles[phase.roles[0]].trajectory
    )
    with (
        stop_signals() as stop,
        tqdm(
            total=total,
            initial=run.step,
            unit="step",
            disable=True if jax.process_index() else None,
        ) as bar,
    ):
        try:
            while run.phase < len(phases):
                phase = phases[run.phase]
                bar.set_description(" + ".join(phase.roles))
                if experiment.roles[phase.roles[0]].trajectory:
                    replay_phase(run, phase)
                else:
                    check_teachers(run, phase)
                    open_phase(run, phase)
                    run_phase(run, phase, steps, stop, bar)
                run.phase, run.phase_step = run.phase + 1, 0
            results = finish(run)
            if stop:  # of a table the next row is not begun
                raise Interrupted("interrupted when the run had just ended, and whole")
            return results
        finally:
            run.close()


def main(config: ml_collections.ConfigDict, workdir: epath.Path, flags: Any) -> None:
    """Trains, or goes on training, and prints where everything is."""
    del flags
    with locked(workdir):
        results = train(build(config), workdir)
    if jax.process_index() != 0:
        return
    for role, splits in results.items():
        for split, numbers in splits.items():
            shown = measures.known(config.measures, numbers)
            text = (f"{measures.NAMES[name]} {numbers[name]:7.2%}" for name in shown)
            print(f"{role:20s} {split:5s} {'  '.join(text)}")
    print(f"results: {workdir / 'results.json'}")

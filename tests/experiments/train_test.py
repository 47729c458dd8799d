"""The loop: schedules, logs, resuming, faults."""

import functools
import json
import os
import signal

import jax
import ml_collections
import numpy as np
import pytest
from etils import epath

from experiments import build, checkpoints, state, train, trajectory
from experiments.errors import Interrupted, RunError
from experiments.workdir import tuples
from kdjax.interop import variables
from tests.experiments import tiny_runs


@functools.cache
def _built(text):
    return build.build(ml_collections.ConfigDict(tuples(json.loads(text))).lock())


def built(**changes):
    """The experiment, one for all runs of a config: they share what is compiled."""
    return _built(tiny_runs.config(**changes).to_json())


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    known, compile_steps = {}, train.compile_steps

    def remembered(experiment):
        name = experiment.config.to_json()
        if name not in known:
            known[name] = compile_steps(experiment)
        return known[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "compile_steps", remembered)
        yield


def run(folder, **changes):
    folder.mkdir(exist_ok=True)
    return train.train(built(**changes), epath.Path(folder))


def final_states(folder, **changes):
    ended = state.Run(built(**changes), epath.Path(folder))
    ended.close()
    return jax.device_get(ended.states)


def assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def interrupted_at(monkeypatch, step, signal_number=signal.SIGTERM):
    """Sends the process a signal while the given step is taken."""
    take_step = train.take_step

    def take(current, phase, steps):
        take_step(current, phase, steps)
        if current.step == step:
            os.kill(os.getpid(), signal_number)

    monkeypatch.setattr(train, "take_step", take)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, run(folder)


def test_a_run_writes_what_its_folder_promises(whole):
    folder, results = whole
    assert json.loads((folder / "results.json").read_text())["roles"] == results
    roles = {"teacher_skeleton", "teacher_fusion", "student"}
    assert set(results) == roles
    assert results["student"]["test"]["examples"] == 24
    for role in roles:
        assert (folder / "models" / f"{role}.safetensors").exists()
        assert (folder / "predictions" / f"{role}_test.npz").exists()
    assert list((folder / "tensorboard").iterdir())
    lines = [json.loads(t) for t in (folder / "metrics.jsonl").read_text().splitlines()]
    student = [x for x in lines if x["role"] == "student" and x["split"] == "train"]
    assert student[-1]["step"] == 6
    assert {"loss", "ce", "kl", "mk", "semantic", "accuracy"} <= set(student[-1])


def test_an_ended_run_is_not_run_again(whole):
    folder, results = whole
    before = (folder / "metrics.jsonl").read_bytes()
    assert run(folder) == results
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_what_cannot_be_trained_leaves_its_folder_free(tmp_path):
    with pytest.raises(RunError, match="config.view_devices: .* by 0 views"):
        run(tmp_path, view_devices=0)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("step", [3, 8, 17])
def test_interrupted_and_taken_up_is_the_uninterrupted_run(
    whole, tmp_path, monkeypatch, step
):
    folder, results = whole
    with monkeypatch.context() as patch:
        interrupted_at(patch, step)
        with pytest.raises(Interrupted, match=f"step {step};"):
            run(tmp_path)
    assert run(tmp_path) == results
    assert_same(final_states(tmp_path), final_states(folder))
    logs = [(path / "metrics.jsonl").read_bytes() for path in (tmp_path, folder)]
    assert logs[0] == logs[1]


def test_a_signal_that_comes_at_the_end_is_not_lost(tmp_path, monkeypatch):
    finish = train.finish

    def asked(current):
        os.kill(os.getpid(), signal.SIGTERM)
        return finish(current)

    with monkeypatch.context() as patch:
        patch.setattr(train, "finish", asked)
        with pytest.raises(Interrupted, match="just ended, and whole"):
            run(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["roles"] == run(tmp_path)


def test_killed_and_taken_up_is_the_uninterrupted_run(tmp_path):
    """SIGKILL of the real command, at whatever moment it falls."""
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    process = tiny_runs.start(*tiny_runs.arguments(killed))
    while not (killed / "checkpoints" / "6.json").exists():
        assert process.poll() is None, process.stderr.read()
    process.kill()
    process.wait()
    process.stderr.close()
    assert not (killed / "results.json").exists()
    for folder in (killed, calm):
        done = tiny_runs.command(*tiny_runs.arguments(folder))
        assert done.returncode == 0, done.stderr
    assert_same_files(killed, calm)


def assert_same_files(first, second):
    for name in ("metrics.jsonl", "results.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    models = [path / "models" / "student.safetensors" for path in (first, second)]
    (ours, words), (theirs, same) = map(variables.load_variables, models)
    assert_same(ours, theirs)
    assert words == same


def checkpointed(tmp_path, monkeypatch):
    """A run interrupted at step 7: checkpoints 6 and 7 are there."""
    with monkeypatch.context() as patch:
        interrupted_at(patch, 7)
        with pytest.raises(Interrupted):
            run(tmp_path)
    return epath.Path(tmp_path) / "checkpoints"


def damage(folder, step, *, truncate=False):
    """Flips one byte of a checkpoint's largest file, or cuts it in half."""
    files = [path for path in (folder / str(step)).glob("d/*") if path.is_file()]
    path = max(files, key=lambda each: each.stat().length)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data[: len(data) // 2] if truncate else data))


@pytest.mark.parametrize("truncate", [False, True])
def test_a_damaged_checkpoint_is_passed_over(
    whole, tmp_path, monkeypatch, truncate, caplog
):
    folder = checkpointed(tmp_path, monkeypatch)
    damage(folder, 7, truncate=truncate)
    assert run(tmp_path) == whole[1]
    assert "checkpoint 7 is damaged" in caplog.text
    assert (folder / "7.set-aside-1").exists()


def test_without_a_whole_checkpoint_the_run_stops(tmp_path, monkeypatch):
    folder = checkpointed(tmp_path, monkeypatch)
    for step in checkpoints.steps(folder):
        damage(folder, step)
    with pytest.raises(RunError, match="no whole checkpoint is left"):
        run(tmp_path)
    # Nor when it is asked again, with the damaged ones set aside.
    with pytest.raises(RunError, match="no whole checkpoint is left"):
        run(tmp_path)


def test_a_save_killed_in_its_middle_leaves_the_one_before(
    whole, tmp_path, monkeypatch
):
    folder = checkpointed(tmp_path, monkeypatch)
    (folder / "7.json").unlink()
    assert run(tmp_path) == whole[1]
    assert (folder / "7").exists()


def test_nothing_is_resumed_where_the_first_save_was_killed(tmp_path):
    folder = epath.Path(tmp_path) / "checkpoints"
    (folder / "0.orbax-checkpoint-tmp").mkdir(parents=True)
    assert checkpoints.restore(folder, {}) is None


def test_a_loss_that_is_not_finite_stops_the_run_and_is_named(tmp_path):
    with pytest.raises(RunError) as raised:
        run(
            tmp_path,
            schedule=(("student_alone", 2),),
            roles__student_alone__optimizer__schedule__learning_rate=1e30,
        )
    message = str(raised.value)
    assert "student_alone" in message and "loss" in message and "_s1_t" in message
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["loss"] in ("nan", "inf")


def test_the_schedule_alternates_as_pskd_of_n_says(tmp_path):
    run(tmp_path, rounds=1, schedule=(("teacher_fusion", 2), ("student_alone", 2)) * 2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    evaluated = [json.loads(t) for t in lines if '"split": "test"' in t]
    order = [(x["role"], x["epoch"]) for x in evaluated[:8]]
    teacher, student = "teacher_fusion", "student_alone"
    assert order == [
        *((teacher, 1), (teacher, 2), (student, 1), (student, 2)),
        *((teacher, 3), (teacher, 4), (student, 3), (student, 4)),
    ]


TEACHERS = ("teacher_skeleton", "teacher_fusion")


def trained_teachers(folder):
    """Teachers alone, every epoch kept."""
    return run(
        folder,
        schedule=tuple((name, 1) for name in TEACHERS),
        roles__teacher_skeleton__keep="all",
        roles__teacher_fusion__keep="all",
    )


def replaying(folder, **changes):
    return dict(
        roles__teacher_skeleton__trajectory=str(folder),
        roles__teacher_fusion__trajectory=str(folder),
        **changes,
    )


def test_replayed_teachers_give_the_student_of_teachers_trained_beside_it(
    whole, tmp_path
):
    trained_teachers(tmp_path / "teachers")
    changes = replaying(tmp_path / "teachers")
    assert run(tmp_path / "student", **changes) == whole[1]
    ours, theirs = final_states(tmp_path / "student", **changes), final_states(whole[0])
    assert_same(ours["student"], theirs["student"])
    assert_same(ours["teacher_fusion"].params, theirs["teacher_fusion"].params)


def test_step_mode_trains_all_roles_on_the_same_batches(tmp_path):
    joint = ((*TEACHERS, "student"), 1)
    results = run(tmp_path, schedule=(joint,))
    assert set(results) == {*TEACHERS, "student"}
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    trained = [json.loads(t) for t in lines if '"split": "train"' in t]
    steps = {role: 0 for role in results}
    for line in trained:
        steps[line["role"]] = line["step"]
    assert set(steps.values()) == {6}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data__seed": 1}, "its data is"),
        ({"roles__teacher_fusion__model__widths": (4, 4, 4, 8)}, "cannot be used"),
        ({"rounds": 3}, "epoch 3 is missing"),
        ({"teacher_floor": 1.01}, "below config.teacher_floor"),
    ],
)
def test_a_wrong_teacher_is_refused(tmp_path, change, message):
    trained_teachers(tmp_path / "teachers")
    with pytest.raises(RunError, match=message):
        run(tmp_path / "student", **replaying(tmp_path / "teachers", **change))


def test_a_teacher_whose_file_changed_is_refused(tmp_path):
    trained_teachers(tmp_path / "teachers")
    path = trajectory.path_of(epath.Path(tmp_path / "teachers"), TEACHERS[1], 2)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(RunError, match=r"epoch_0002\.safetensors"):
        run(tmp_path / "student", **replaying(tmp_path / "teachers"))


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"data__align__length": 2}, "teacher_skeleton"),
        (
            {
                "roles__student__augment": (
                    {"function": "signals.jitter", "name": "gyroscope", "scale": 0.1},
                )
            },
            "student",
        ),
    ],
)
def test_what_cannot_be_computed_is_said_before_anything_is(tmp_path, change, role):
    experiment = built(**change)
    with pytest.raises(RunError, match=f"config.roles.{role}: "):
        train.train(experiment, epath.Path(tmp_path))
    assert not list(tmp_path.iterdir())


def test_teachers_never_change_while_a_student_is_trained(tmp_path):
    trained_teachers(tmp_path / "teachers")
    changes = replaying(tmp_path / "teachers", schedule=(("student", 2),), rounds=1)
    changes["schedule"] = (*((name, 2) for name in TEACHERS), ("student", 2))
    run(tmp_path / "student", **changes)
    before = final_states(
        tmp_path / "teachers", schedule=tuple((name, 1) for name in TEACHERS)
    )
    after = final_states(tmp_path / "student", **changes)
    for name in TEACHERS:
        assert_same(before[name].params, after[name].params)
        assert_same(before[name].state, after[name].state)

"""The command a user types: what it prints, and one sentence for bad input."""

import json
import re
import subprocess
import sys

import pytest
from etils import epath

from data_pipelines.datasets import synthetic
from experiments import build, run, train, workdir
from experiments.errors import RunError
from tests.experiments import tiny_runs


def refused(*args, **options) -> str:
    """The one sentence of a command that must fail."""
    done = tiny_runs.command(*args, **options)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert len(lines) == 1 and lines[0].startswith("kdjax: "), done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--config.bogus=3"], "the config has no key bogus"),
        (["--config.roles.student.bogus=3"], "the config has no key bogus"),
        (["--config.roles.student.batch_size=many"], "batch_size"),
        (["--mode=fly"], "fly"),
        (["stray"], "not a flag: stray"),
        (["--config.roles.student.batch_size=25"], "24 training examples"),
        (["--config.data.subjects=1"], "empty"),
        (["--config.roles.student.method.temperature=-1"], "temperature"),
    ],
)
def test_a_bad_argument_is_named(tmp_path, args, message):
    folder = tmp_path / "run"
    assert message in refused(*tiny_runs.arguments(folder, *args))
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("experiments/configs/none.py", "none.py"),
        (f"{tiny_runs.PAGE}:nothing", "no data set 'nothing': one of synthetic"),
        (f"{tiny_runs.PAGE}:utd_mhad", "data_pipelines.prepare --dataset=utd_mhad"),
    ],
)
def test_a_page_that_cannot_be_used_is_named(tmp_path, page, message):
    args = [f"--config={page}", f"--workdir={tmp_path / 'run'}"]
    data = f"--config.data.data_dir={tmp_path}"
    more = [data] if "none.py" not in page and "nothing" not in page else []
    assert message in refused(*args, *more)


def test_a_workdir_that_cannot_be_written_is_named():
    assert "/proc/nowhere" in refused(*tiny_runs.arguments("/proc/nowhere"))


@pytest.mark.parametrize(("blocks", "file"), [(8, "config.json"), (80, "checkpoints")])
def test_a_full_disk_ends_the_run_in_one_sentence(tmp_path, blocks, file):
    """No file can be longer than 4 or 40 kB, as if the disk were full by then."""
    args = [sys.executable, "-m", "experiments.run", *tiny_runs.arguments(tmp_path)]
    done = subprocess.run(
        ["sh", "-c", f'ulimit -f {blocks} && exec "$@"', "sh", *args],
        cwd=tiny_runs.ROOT,
        env={**tiny_runs.environment(), "JAX_COMPILATION_CACHE_DIR": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    (said,) = done.stderr.strip().splitlines()
    assert said.startswith(f"kdjax: cannot write {tmp_path / file}")


def test_a_folder_may_be_named_from_here(tmp_path):
    # A flag that is given twice would add to the schedule.
    settings = [a for a in tiny_runs.arguments("run") if "schedule=" not in a]
    args = [sys.executable, "-m", "experiments.run", *settings]
    args += ["--config.schedule=(('student_alone', 1),)", "--config.rounds=1"]
    path = {"PYTHONPATH": str(tiny_runs.ROOT)}
    done = subprocess.run(
        [
            arg.replace(tiny_runs.PAGE, str(tiny_runs.ROOT / tiny_runs.PAGE))
            for arg in args
        ],
        cwd=tmp_path,
        env={**tiny_runs.environment(), **path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "results.json").exists()


def test_without_a_config_the_folder_must_have_one(tmp_path):
    assert "config.json" in refused(f"--workdir={tmp_path}", "--mode=report")


def test_a_folder_of_another_config_is_refused_with_the_difference(tmp_path):
    folder = epath.Path(tmp_path)
    workdir.check_config(folder, tiny_runs.config())
    workdir.check_config(folder, tiny_runs.config(log_every=5))
    with pytest.raises(RunError, match="rounds: 2 -> 3"):
        workdir.check_config(folder, tiny_runs.config(rounds=3))


def test_two_runs_do_not_share_a_folder(tmp_path):
    folder = epath.Path(tmp_path)
    held = pytest.raises(RunError, match="another run holds")
    with workdir.locked(folder), held, workdir.locked(folder):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": (("nobody", 1),)}, "unknown roles"),
        ({"schedule": (("student", 1),)}, "the schedule has no"),
        ({"schedule": (("student_alone", 0),)}, "no positive number"),
        ({"rounds": 0}, "rounds is 0"),
        ({"roles__student__model__name": "nothing"}, "kdjax.models.nothing"),
        ({"roles__student__method__name": "nothing"}, "kdjax.methods.nothing"),
        ({"data__name": "nothing"}, "data_pipelines.datasets.nothing"),
        ({"roles__student__inputs": ("rgb",)}, "rgb"),
        ({"roles__student__optimizer__name": "nothing"}, "adamw"),
        ({"data__holdout": (2,)}, "hold out subject 2"),
    ],
)
def test_a_config_that_cannot_be_built_names_the_key(change, message):
    with pytest.raises(RunError, match=re.escape(message)):
        build.build(tiny_runs.config(**change))


def test_roles_that_teach_each_other_are_refused():
    names = ("teacher_fusion", "student")
    with pytest.raises(RunError, match="teach in a ring"):
        build.build(
            tiny_runs.config(
                schedule=tuple((name, 1) for name in names),
                roles__student__teachers=("teacher_fusion",),
                roles__teacher_fusion__teachers=("student",),
            )
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'bogus'", "the config has no key bogus"),
        ("a\n  Traceback\n    ValueError: so it is", "so it is"),
        ("", "ValueError('')"),
    ],
)
def test_an_error_becomes_one_sentence(text, said):
    assert run.sentence(ValueError(text)) == said


def test_a_stored_config_is_the_config(tmp_path):
    folder, config = epath.Path(tmp_path), tiny_runs.config()
    workdir.check_config(folder, config)
    stored = run.stored_config(folder)
    assert stored.to_json(sort_keys=True) == config.to_json(sort_keys=True)
    assert stored.schedule == config.schedule
    assert stored.is_locked


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run to its end, and a recording of the test split."""
    folder = tmp_path_factory.mktemp("run")
    config = tiny_runs.config(schedule=(("student_alone", 1),), rounds=1)
    workdir.check_config(epath.Path(folder), config)
    train.train(build.build(config), epath.Path(folder))
    recording = folder / "recording.npz"
    data = synthetic.load(subjects=4, trials_per_subject=1)
    synthetic.write_recording(recording, data.splits["test"][3])
    return folder, recording


def test_predict_prints_a_line_of_json_a_recording(ended):
    folder, recording = ended
    predict = [f"--workdir={folder}", "--mode=predict", "--role=student_alone"]
    done = tiny_runs.command(*predict, f"--input={recording}", f"--input={recording}")
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["recording"] == [str(recording)]
    assert first["class"] in synthetic.CLASSES
    assert set(first["probabilities"]) == set(synthetic.CLASSES)
    assert sum(first["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
    assert first["probability"] == max(first["probabilities"].values())


def test_predict_refuses_what_is_no_recording(ended, tmp_path):
    folder, recording = ended
    predict = [f"--workdir={folder}", "--mode=predict", "--role=student_alone"]
    cut = tmp_path / "cut.npz"
    cut.write_bytes(recording.read_bytes()[:100])
    assert "cut.npz" in refused(*predict, f"--input={cut}")
    assert "--input is missing" in refused(*predict)


def test_eval_prints_the_numbers_of_the_run(ended):
    folder, _ = ended
    done = tiny_runs.command(f"--workdir={folder}", "--mode=eval")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["roles"]["student_alone"]["test"]
    stored = json.loads((folder / "results.json").read_text())
    assert found == stored["roles"]["student_alone"]["test"]

import json

import numpy as np
import pytest

from experiments import evaluate, outcome
from experiments.errors import RunError
from tests.experiments import fabricated


@pytest.fixture
def workdir(tmp_path):
    return fabricated.write(tmp_path / "run")


def other(tmp_path, **changes):
    """Another run, of one role, with other predictions."""
    folder = fabricated.write(tmp_path / "other")
    given = {"guesses": fabricated.GUESSES["student_alone"], **changes}
    path = folder / "predictions" / "student_test.npz"
    evaluate.write(path, fabricated.predictions(**given))
    return folder


def test_a_folder_is_read(workdir):
    run = outcome.read(workdir)
    assert run.roles == (
        *("teacher_fusion", "teacher_skeleton"),
        *("student_alone", "student"),
    )
    assert (run.student, run.distilled, run.split) == ("student", True, "test")
    assert run.classes == fabricated.CLASSES
    assert len(run.log) == 16
    found = run.predictions["student"].logits.argmax(-1)
    np.testing.assert_array_equal(found, fabricated.GUESSES["student"])


def test_colours_belong_to_roles_whatever_else_there_is(workdir):
    colours = outcome.read(workdir).colours
    assert (colours["student"], colours["student_alone"]) == (0, 1)
    assert sorted(colours.values()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "name",
    ["config.json", "metrics.jsonl", "predictions/student_test.npz"],
)
def test_what_is_missing_is_named(workdir, name):
    (workdir / name).unlink()
    with pytest.raises(RunError, match=f"there is no {workdir / name}"):
        outcome.read(workdir)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", "is not JSON"),
        ("results.json", "is not JSON"),
        ("metrics.jsonl", "line 1 is not JSON"),
        ("predictions/student_test.npz", "cannot be read"),
        ("models/teacher_fusion.safetensors", "cannot be used"),
    ],
)
def test_what_is_damaged_is_named(workdir, name, words):
    (workdir / name).write_text("PK and nothing more\n")
    with pytest.raises(RunError, match=words) as caught:
        outcome.read(workdir)
    assert str(workdir / name) in str(caught.value)


def test_a_config_without_roles_is_refused(workdir):
    (workdir / "config.json").write_text("{}")
    with pytest.raises(RunError, match=r"config.json is not the config of a run"):
        outcome.read(workdir)


def test_the_line_being_written_is_left_for_later(workdir):
    (workdir / "results.json").unlink()
    path = workdir / "metrics.jsonl"
    path.write_text(path.read_text() + '{"role": "stud')
    run = outcome.read(workdir)
    assert len(run.log) == 16
    assert run.results is None and not run.predictions


def test_held_out_subjects_are_the_judges(workdir):
    results = fabricated.results()
    for role, splits in results["roles"].items():
        splits["val"] = splits["test"]
        path = workdir / "predictions" / f"{role}_val.npz"
        evaluate.write(path, fabricated.predictions(fabricated.GUESSES[role]))
    (workdir / "results.json").write_text(json.dumps(results))
    assert outcome.read(workdir).split == "val"


def test_without_models_classes_have_numbers(workdir):
    for path in (workdir / "models").iterdir():
        path.unlink()
    assert outcome.read(workdir).classes == ("class 0", "class 1", "class 2")


def test_the_run_has_its_own_undistilled_student(workdir):
    run = outcome.read(workdir)
    reference = outcome.undistilled(run, "")
    assert (reference.name, reference.colour) == ("student_alone", 1)
    assert outcome.undistilled(run._replace(predictions={}), "") is None
    alone = {"student": run.predictions["student"]}
    assert outcome.undistilled(run._replace(predictions=alone), "") is None


def test_a_baseline_is_put_in_the_order_of_the_student(workdir, tmp_path):
    order = [4, 2, 0, 5, 1, 3]
    guesses = fabricated.GUESSES["student_alone"]
    baseline = other(
        tmp_path,
        guesses=[guesses[i] for i in order],
        labels=[fabricated.LABELS[i] for i in order],
        keys=[fabricated.KEYS[i] for i in order],
    )
    reference = outcome.undistilled(outcome.read(workdir), str(baseline))
    assert reference.name == f"student of {tmp_path.name}/other"
    assert tuple(reference.predictions.key) == fabricated.KEYS
    np.testing.assert_array_equal(reference.predictions.logits.argmax(-1), guesses)
    # Apart from the run's own undistilled student.
    assert reference.colour == 4


def test_a_baseline_of_other_examples_is_refused(workdir, tmp_path):
    keys = (*fabricated.KEYS[:-1], "walk_s6_t1")
    baseline = other(tmp_path, keys=keys)
    words = (
        r"other was tested on other examples than .*run: 2 differ, walk_s4_t1 is one"
    )
    with pytest.raises(RunError, match=words):
        outcome.undistilled(outcome.read(workdir), str(baseline))


def test_a_baseline_of_other_classes_is_refused(workdir, tmp_path):
    baseline = other(tmp_path, labels=(1, 0, 2, 1, 0, 2))
    with pytest.raises(RunError, match="has other classes than"):
        outcome.undistilled(outcome.read(workdir), str(baseline))


def test_a_series_has_the_lines_of_a_role_and_split(workdir):
    log = outcome.read(workdir).log
    log[-2]["kl"] = "nan"
    epochs, values = outcome.series(log, "student", "train", "kl")
    np.testing.assert_array_equal(epochs, [1, 2])
    np.testing.assert_array_equal(values, [0.01, np.nan])
    assert [len(a) for a in outcome.series(log, "student", "val", "kl")] == [0, 0]

"""The page of CMMVL run whole, with networks and pictures of a few numbers."""

import argparse
import json

import numpy as np
import pytest
from etils import epath

from experiments import build, evaluate, outcome, table, train
from experiments.configs import cmmvl
from experiments.configs.parts import cmmvl as parts
from experiments.errors import RunError

NETWORK = dict(name="posec3d", width=4, blocks=(1,), dropout=0.0)
SCALE = parts.small("rgb", (20, 20), (16, 16))._replace(
    lengths={"joints": 3, "rgb": 3},
    short=12,
    maps=((10, 10), (10, 10)),
    teacher=NETWORK,
    student=NETWORK,
    epochs=(1, 1),
    batch_sizes=(4, 4),
)


def config(**data):
    """Two actions of four people before two cameras: eight recordings to train on."""
    tiny = cmmvl.page("synthetic", SCALE)
    tiny.data.update(subjects=4, trials_per_subject=1, cameras=2, size=20, views=2)
    tiny.data.update(data)
    tiny.data.classes = ("drink", "wave_right")
    # A student of this kind has no statistics over views.
    tiny.roles.student.model = NETWORK
    tiny.teacher_floor = 0.0
    return tiny


def run(folder, tiny):
    return train.train(build.build(tiny.lock()), epath.Path(folder))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, config())


def test_teacher_student_alone_and_distilled_are_told_together(whole):
    folder, results = whole
    assert set(results) == {"teacher", "student_alone", "student"}
    for name in results:
        found = outcome.read_predictions(epath.Path(folder), name, "test")
        assert sorted(set(found.camera)) == [1, 2]
        numbers = results[name]["test"]
        assert numbers == evaluate.summary(found)
        right = found.logits.argmax(-1) == found.label
        for camera in (1, 2):
            share = right[found.camera == camera].mean()
            assert numbers[f"accuracy_camera_{camera}"] == pytest.approx(share)


def test_the_numbers_are_those_of_views_on_devices_of_their_own(whole, tmp_path):
    tiny = config()
    tiny.view_devices = 2
    run(tmp_path, tiny)

    def last_loss(folder):
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        (*_, last) = (line for line in found if "view" in line)
        return [last[name] for name in ("loss", "kl", "ce", "view", "grad_norm")]

    np.testing.assert_allclose(last_loss(tmp_path), last_loss(whole[0]), rtol=2e-4)


def test_views_that_the_devices_do_not_divide_by_are_refused():
    tiny = config()
    tiny.view_devices = 0
    with pytest.raises(RunError, match="config.view_devices"):
        build.build_mesh(tiny)


def test_one_example_a_performance_where_the_main_view_is_fixed():
    train_split = build.build(config(main_view="fixed_last").lock()).data.sources[
        "train"
    ]
    assert len(train_split) == 4
    assert {row.key[-3:] for row in train_split.rows} == {"_c2"}


def test_the_table_of_options_runs(tmp_path, capsys):
    tiny = config()
    # That the others build and step is tried with every page.
    left_out = (
        *("Student alone", "CMMVL from limbs", "CMMVL with a fixed main view"),
        "CMMVL with statistics of all views",
    )
    wanted = [row["name"] for row in tiny.tables.options if row["name"] not in left_out]
    flags = argparse.Namespace(table="options", rows=wanted, seeds=["1"])
    table.main(tiny.lock(), epath.Path(tmp_path), flags)
    text = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == wanted
    roles = {"teacher": "teacher", "limb_teacher": "teacher_limbs"}
    joints, limbs = (
        outcome.read_predictions(epath.Path(tmp_path / row / "seed_1"), role, "test")
        for row, role in roles.items()
    )
    both = sum(
        np.exp(p.logits) / np.exp(p.logits).sum(-1, keepdims=True)
        for p in (joints, limbs)
    )
    share = 100 * (both.argmax(-1) == joints.label).mean()
    (line,) = (line for line in text.splitlines() if "Joints and limbs" in line)
    assert f"{share:.2f}" in line
    # Of two teachers both were asked.
    targets = tmp_path / "cmmvl_from_joints_and_limbs" / "seed_1" / "targets"
    assert {path.stem for path in targets.iterdir()} == {"teacher", "teacher_limbs"}


def test_an_average_of_what_was_not_run_is_refused(tmp_path):
    flags = argparse.Namespace(table="options", rows=["Joints and limbs"], seeds=["1"])
    with pytest.raises(RunError, match="Joints and limbs averages rows that have not"):
        table.main(config().lock(), epath.Path(tmp_path), flags)

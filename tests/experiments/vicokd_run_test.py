"""ViCoKD from videos with sound in the official layout to tables and reports."""

import argparse
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from data_pipelines.datasets import synthetic_home
from data_pipelines.prepare import prepare
from experiments import build, evaluate, outcome, plots, report, run, train
from experiments.configs import vicokd
from experiments.configs.parts import vicokd as parts
from experiments.errors import RunError
from experiments.plots import Image
from kdjax import augment, metrics
from tests.experiments import tiny_runs

CLASSES = ("drink", "lamp", "radio")
SIDE, FRAMES, VIEWS = 32, 6, 5
HOME = dict(subjects=3, recordings_per_subject=2, size=SIDE, classes=CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four recordings to train on and two to test, written, with masks, and prepared."""
    folder = tmp_path_factory.mktemp("home")
    synthetic_home.write_home(folder / "raw", cameras=VIEWS, **HOME)
    said = prepare(
        "multisensor_home",
        raw_dir=folder / "raw",
        data_dir=folder / "data",
        short_side=SIDE,
    )
    assert "skipped: 0" in said
    return folder


def page(folder):
    config = vicokd.get_config("home1")
    config.data.update(
        data_dir=str(folder / "data"), human=str(folder / "raw" / "human")
    )
    for role in config.roles.values():
        role.batch_size = 2
    return config


def tiny(folder):
    """The same on six frames, with transformers of one layer of eight numbers."""
    config = page(folder)
    config.update(teacher_floor=0.0, log_every=1, eval_every=1)
    config.data.align.update(frames=FRAMES, size=(SIDE, SIDE))
    few = dict(width=8, depth=1, heads=2, hidden=8)
    scale = parts.HOME._replace(
        visual=dict(name="vit", patch=8, **few),
        audio=dict(name="spectrogram", **few),
        backbones=dict(
            multitrans=dict(heads=2, depth=1),
            multiasl=dict(heads=2, head_dim=4),
            multitsf=dict(heads=2, depth=1, sensor_hidden=8),
        ),
        epochs=2,
        batch_size=2,
    )
    config.roles.teacher = parts.teacher(scale, "multitsf")
    # Undistilled it is the same network: that its step fits is traced in configs_test.
    del config.roles.student_alone
    config.roles.student = parts.student(
        scale, "multitsf", "V_S", vicokd.METHODS["ViCoKD"], sound="pseudo"
    )
    config.schedule = (("teacher", 2), ("student", 2))
    config.tables = vicokd.tables("home1", scale)
    return config.lock()


def test_the_page_is_whole_on_raw_files(folder):
    """In full size: 70 frames of five cameras, the published transformers."""
    experiment = build.build(page(folder))
    assert experiment.data.dataset.classes == CLASSES
    example = experiment.data.sources["train"][0]
    assert example["rgb"].shape == (VIEWS, 70, 224, 224, 3)
    assert example["audio"].shape == (VIEWS, 70, 64, 128)
    assert {"audible", "visible", "present", "labels", "frame_labels"} < set(example)
    train.check_steps(experiment, train.compile_steps(experiment))


@pytest.mark.parametrize("page", ["synthetic", "home1"])
def test_a_teacher_sees_the_same_when_it_is_asked_and_when_it_is_judged(page):
    # Both read the pictures: what the student has made of them is not made twice.
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (1, 2, 3, 8, 8, 3), dtype=np.uint8)
    batch = {"rgb": jnp.asarray(rgb), "present": jnp.ones((1, 2, 3))}
    roles = vicokd.get_config(page).roles
    shown, prepared = (
        [dict(step) for step in steps]
        for steps in (roles.student.augment, roles.teacher.prepare)
    )
    asked = augment.make(*shown, num_classes=2)(jax.random.key(0), batch)
    prepare = augment.prepare(*prepared, num_classes=2)
    one, other = prepare(asked)["pictures"], prepare(batch)["pictures"]
    np.testing.assert_array_equal(one, other)
    assert np.std(one) > 0.5


@pytest.fixture(scope="module")
def ended(folder, tmp_path_factory):
    workdir = epath.Path(tmp_path_factory.mktemp("run"))
    train.main(tiny(folder), workdir, None)
    return workdir


def test_roles_end_with_the_measures_that_the_page_names(ended):
    results = json.loads((ended / "results.json").read_text())["roles"]
    log = outcome.read_log(ended / "metrics.jsonl")
    for role in ("teacher", "student"):
        numbers = results[role]["test"]
        assert set(vicokd.SCORES) < set(numbers)
        assert all(map(math.isfinite, numbers.values()))
        found = evaluate.read(ended / "predictions" / f"{role}_test.npz")
        assert found.logits.shape == found.labels.shape == (2, len(CLASSES))
        assert found.frame_logits.shape == (2, FRAMES, len(CLASSES))
        want = metrics.mean_average_precision(
            jnp.asarray(found.logits), jnp.asarray(found.labels)
        )
        np.testing.assert_allclose(numbers["mean_ap"], want)
        _, values = outcome.series(log, role, "test", "mean_ap")
        # Once an epoch and at the end.
        assert len(values) == 3 and numbers["best_mean_ap"] == values.max()
    terms = {name for line in log if line["role"] == "student" for name in line}
    assert {"sequence", "features", "logits", "views"} < terms


def test_the_videos_of_a_clip_are_predicted(ended, folder):
    clips = sorted((folder / "raw").glob("*/*View1*.mp4"))
    views = [str(clips[0]).replace("View1", f"View{n + 1}") for n in range(VIEWS)]
    done = tiny_runs.command(
        f"--workdir={ended}", "--mode=predict", f"--input={','.join(views)}"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["recording"] == views
    assert set(said["scores"]) == set(said["frames"]) == set(CLASSES)
    assert all(len(each) == FRAMES for each in said["frames"].values())
    assert said["classes"] == [n for n in CLASSES if said["scores"][n] > 0.5]


def test_the_report_shows_cameras_attention_and_times(ended, capsys, monkeypatch):
    save, drawn = plots.save, []

    def first_scene(folder, name, draw):
        # The other figures are those of every experiment.
        drawn.append(name)
        one = name.startswith(("scene_0", "gain"))
        return save(folder, name, draw) if one else Image(name, 9, 9)

    monkeypatch.setattr(plots, "save", first_scene)
    report.main(run.stored_config(ended), ended, argparse.Namespace(baseline=""))
    assert capsys.readouterr().out.startswith("report: ")
    text = " ".join((ended / "report" / "index.html").read_text().split())
    assert "cannot be read again" not in text and "mAP" in text
    assert {"scene_0_cameras", "scene_0_times", "mean_ap_test"} < set(drawn)
    assert not any(name.startswith("confusion") for name in drawn)


def test_the_papers_numbers_stand_beside_the_rows():
    rows = {row["name"]: row for row in vicokd.get_config("home1").tables.table1}
    assert len(rows) == 3 * (1 + 2 * 6)
    assert rows["MultiASL teacher"]["paper"] == (73.81,)
    assert rows["MultiTSF V_F ViCoKD"]["paper"] == (82.91,)
    assert rows["MultiTSF V_F ViCoKD"]["paired"] == "MultiTSF V_F Student"
    home2 = {row["name"]: row for row in vicokd.get_config("home2").tables.table4}
    assert home2["MultiASL V_F without logits"]["paper"] == (92.02,)
    table3 = vicokd.get_config("home2").tables.table3
    assert [row["paper"] for row in table3][-2:] == [(92.12,), (92.61,)]


def test_masks_that_nobody_made_are_named(folder):
    config = page(folder)
    config.data.human = str(folder / "nowhere")
    with pytest.raises(RunError, match="nowhere"):
        build.build(config)

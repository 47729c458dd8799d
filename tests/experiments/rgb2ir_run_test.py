"""Pages of RGB to infrared: from raw files in the official formats to reports."""

import argparse
import json
import math

import numpy as np
import pytest
from etils import epath

from data_pipelines.dataset import rows as rows_of
from data_pipelines.datasets import pku_mmd
from data_pipelines.prepare import prepare
from experiments import (
    build,
    detect,
    evaluate,
    plots,
    report,
    run,
    table,
    train,
    trajectory,
)
from experiments.configs import rgb2ir
from experiments.errors import RunError
from experiments.plots import Image
from tests.data_pipelines import raw_files
from tests.experiments import tiny_runs

# Subjects 1 and 2 train, 3 tests; cameras 2 and 3 train, 1 tests.
NTU = (
    *("S001C001P001R001A001", "S001C002P001R001A001", "S001C003P002R001A010"),
    *("S001C002P002R002A003", "S001C001P003R001A001", "S001C002P003R001A004"),
)
PKU = ("0002-L", "0002-M", "0002-R", "0291-M", "0291-L")
TESTS = {
    "ntu10_csub": NTU[4:],
    "ntu10_cview": (NTU[0], NTU[4]),
    "pku_cview": ("0002-L", "0291-L"),
    "pku_csub": ("0291-M", "0291-L"),
}
"""The recordings that each page tests, by hand."""

CLASSES = {"ntu10": 10, "pku": 51}
RUN = "pku_csub"
"""The other pages differ from it in their data alone, which is read above."""


def kind(page):
    return page.partition("_")[0]


@pytest.fixture(scope="module")
def raw_dirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    raw_files.ntu_infrared(folder / "ntu10", NTU)
    for number, name in enumerate(PKU):
        lines = (f"{number + 1},5,60,1", f"{number + 7},70,131,2")
        raw_files.write_pku(folder / "pku", name, lines)
    return {name: folder / name for name in CLASSES}


@pytest.fixture(scope="module")
def data_dir(raw_dirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, dataset in (("ntu10", "ntu_infrared"), ("pku", "pku_mmd")):
        said = prepare(dataset, raw_dir=raw_dirs[name], data_dir=folder)
        assert "skipped: 0" in said
    return folder


def page(name, data_dir, **data):
    """A page on the few recordings that there are."""
    config = rgb2ir.get_config(name)
    config.data.update(data_dir=str(data_dir), **{"strict": False, **data})
    for role in config.roles.values():
        role.batch_size = 2
    return config


def tiny(name, data_dir):
    """The same with a few channels, pictures of 32 pixels, one epoch."""
    config = page(name, data_dir)
    config.update(teacher_floor=0.0, log_every=1)
    config.data.align.count = 3
    config.schedule = (("teacher", 1), ("student", 1))
    for role in config.roles.values():
        role.model.update(depth=18, width=2)
        for step in (*role.augment, *role.prepare):
            if "size" in step:
                step.update(size=(32, 32))
            if "short" in step:
                step.update(short=36)
    if kind(name) == "pku":
        config.detection.update(windows=((64, 64),), threshold=0.01)
    return config.lock()


@pytest.mark.parametrize("name", TESTS)
def test_every_page_is_whole_on_raw_files(name, data_dir):
    """In full size: published networks and crops."""
    with pytest.raises(RunError, match="strict=False"):
        build.build(page(name, data_dir, strict=True))
    config = page(name, data_dir)
    experiment = build.build(config)
    source = experiment.data.dataset.splits["test"]
    shown = sorted({row.key.partition("_")[0] for row in source.rows})
    assert shown == sorted(TESTS[name])
    assert len(experiment.data.dataset.classes) == CLASSES[kind(name)]
    assert config.roles.teacher.model.depth == 50
    assert config.roles.student.method.dkd_weight == (
        0.1 if kind(name) == "ntu10" else 0.01
    )
    example = experiment.data.sources["train"][0]
    assert example["rgb"].shape == (1, 8, 36, 64, 3)
    assert example["ir"].shape == (1, 8, 40, 48, 1)
    if name == "ntu10_cview":
        train.check_steps(experiment, train.compile_steps(experiment))


@pytest.mark.parametrize("name", TESTS)
def test_a_page_has_the_papers_tables_with_its_numbers(name):
    tables = rgb2ir.get_config(name).tables
    own, other = ((1, 3), (2, 4)) if kind(name) == "ntu10" else ((2, 4), (1, 3))
    assert all(f"table{n}" in tables for n in own)
    assert not any(f"table{n}" in tables for n in other)
    rows = table.choose(tables, f"table{own[0]}", [])
    papers = {row["name"]: row["paper"] for row in rows}
    if name != "ntu10_cview":  # the paper reports one protocol and does not say which
        assert papers["DKD and MGCAM"] and papers["CCSKD"] and not papers["Teacher"]
    assert papers["DKD and MGCAM"] == {
        "ntu10_csub": (80.86,),
        "ntu10_cview": (),
        "pku_cview": (58.8,),
        "pku_csub": (58.6,),
    }.get(name)


def test_students_of_the_embedded_person_learn_from_others_whose_labels_are_rougher():
    page = rgb2ir.get_config()
    page.data.cache = False
    rows = table.choose(page.tables, "all", [])
    people = {row["name"]: row["set"]["data.train_subjects"] for row in rows}
    teaching = people.pop("Teacher")
    (learning,) = set(people.values())
    assert (len(teaching), len(learning)) == (30, 10)
    assert not set(teaching) & set(learning)
    described, labels = [], []
    for row in (rows[0], rows[-1]):
        config = table.row_config(page, row, 1, epath.Path("runs"))
        experiment = build.build(config)
        shown = experiment.data.dataset.splits
        assert experiment.config.data.seed == 1
        assert len(shown["train"]) == 26 * (30 if row is rows[0] else 10)
        assert len(shown["test"]) == 26 * 40
        named = {each.key.split("_s")[0]: each.label for each in rows_of(shown["test"])}
        given = rows_of(shown["train"])
        labels.append([each.label == named[each.key.split("_s")[0]] for each in given])
        described.append(trajectory.describe(experiment, "teacher"))
    with_care, in_haste = labels
    assert all(with_care) and 0.84 < np.mean(in_haste) < 0.96
    taught, asked = described
    # Whom a teacher has seen does not matter to those who ask it, but is on record.
    assert all(taught[key] == asked[key] for key in trajectory.IDENTITY)
    assert taught["offered"] != asked["offered"]


@pytest.fixture(scope="module")
def ended(data_dir, tmp_path_factory):
    """A teacher and then its student on a handful of recordings."""
    folder = epath.Path(tmp_path_factory.mktemp(RUN))
    train.main(tiny(RUN, data_dir), folder, None)
    return folder


def test_teacher_and_student_end_with_numbers(ended):
    folder = ended
    results = json.loads((folder / "results.json").read_text())["roles"]
    for role in ("teacher", "student"):
        numbers = results[role]["test"]
        assert all(map(math.isfinite, numbers.values())) and "mean_ap" in numbers
        found = evaluate.read(folder / "predictions" / f"{role}_test.npz")
        assert found.logits.shape == (numbers["examples"], CLASSES[kind(RUN)])
    lines = [*map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())]
    steps = [n for n in lines if (n["role"], n["split"]) == ("student", "train")]
    assert {"ce", "tckd", "nckd", "mgcam", "entropy"} < set(steps[0])
    assert 0.99 < steps[0]["entropy"] <= 1.0


def test_an_infrared_file_is_predicted(ended, raw_dirs):
    path = raw_dirs["pku"] / "IR_VIDEO" / "0291-L.avi"
    done = tiny_runs.command(
        *(f"--workdir={ended}", "--mode=predict", f"--input={path}")
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["probabilities"]) == set(pku_mmd.CLASSES)


def test_data_of_trimmed_videos_has_nothing_to_detect(data_dir):
    with pytest.raises(RunError, match="has no untrimmed videos"):
        flags = argparse.Namespace(role="student")
        detect.main(tiny("ntu10_csub", data_dir), epath.Path("none"), flags)


def test_actions_are_detected_in_untrimmed_videos(ended, capsys):
    folder, flags = ended, argparse.Namespace(role="student")
    detect.main(run.stored_config(folder), folder, flags)
    said = json.loads(capsys.readouterr().out)
    # Two videos of 200 frames: windows at 0, 64, 128 and the last at 136.
    assert said["windows"] == 8 and said["proposals"] > 0
    kept = json.loads((folder / "detection_student.json").read_text())
    assert set(kept["ap_per_class"]) == set(pku_mmd.CLASSES)
    mean = np.mean([*kept["ap_per_class"].values()])
    np.testing.assert_allclose(kept["map_action"], mean)
    with pytest.raises(RunError, match="no role 'pupil'"):
        detect.main(run.stored_config(folder), folder, argparse.Namespace(role="pupil"))
    config = run.stored_config(folder)
    with config.unlocked():
        config.detection.threshold = 2.0
    with pytest.raises(RunError, match=r"config\.detection: threshold 2\.0"):
        detect.main(config, folder, flags)


def test_the_report_shows_both_cameras(ended, capsys, monkeypatch):
    folder = ended
    save, drawn = plots.save, []

    def one_sample(folder, name, draw):
        # The other figures are those of every experiment.
        drawn.append(name)
        return save(folder, name, draw) if name == "sample_0" else Image(name, 9, 9)

    monkeypatch.setattr(plots, "save", one_sample)
    report.main(run.stored_config(folder), folder, argparse.Namespace(baseline=""))
    assert capsys.readouterr().out.startswith("report: ")
    text = " ".join((folder / "report" / "index.html").read_text().split())
    assert "cannot be read again" not in text
    assert (folder / "report" / "sample_0.png").exists()

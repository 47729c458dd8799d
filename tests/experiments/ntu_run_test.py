"""NTU's pages of CMMVL: from raw files in the official format to a report."""

import argparse
import json
import math

import jax
import numpy as np
import pytest
from etils import epath

from data_pipelines.ntu_names import CLASSES
from data_pipelines.prepare import prepare
from experiments import build, evaluate, plots, report, run, train
from experiments.configs import cmmvl
from experiments.errors import RunError
from experiments.plots import Image
from tests.data_pipelines import raw_files
from tests.experiments import tiny_runs


def cameras(performance, numbers=(1, 2, 3)):
    return [f"{performance[:4]}C{c:03}{performance[4:]}" for c in numbers]


# A001 is drinking; in A050 one hits another. Setup 18 is of NTU RGB+D 120 alone.
TRAINED = cameras("S001P001R001A001")
PAIR = cameras("S001P002R001A050")
TESTED = [*cameras("S001P003R001A001"), *cameras("S001P003R001A050", (1, 3))]
LATER, LATER_TESTED = cameras("S018P045R001A061", (1, 2)), cameras("S018P041R001A061")
NAMES = [*TRAINED, *PAIR, *TESTED, *LATER, *LATER_TESTED]

# By hand: subjects 1, 2 and 45 train, cameras 2 and 3, setups of even numbers.
SPLITS = {
    "ntu60_csub": ([*TRAINED, *PAIR], TESTED),
    "ntu60_cview": (
        [*TRAINED[1:], *PAIR[1:], *TESTED[1:3], TESTED[4]],
        [TRAINED[0], PAIR[0], TESTED[0], TESTED[3]],
    ),
    "ntu120_csub": ([*TRAINED, *PAIR, *LATER], [*TESTED, *LATER_TESTED]),
    "ntu120_cset": ([*LATER, *LATER_TESTED], [*TRAINED, *PAIR, *TESTED]),
}
RUN, TRACED = "ntu60_csub", "ntu120_cset"
"""Of 60 and of 120 classes; the other two differ from them in their splits alone."""

ROLES = ("teacher", "student")
NETWORK = dict(name="posec3d", width=4, blocks=(1,))
"""Of both roles: I3D's sixty convolutions would take a minute to compile."""
SMALL = {"heatmaps": (16, 16), "video": (32, 32)}

FRAME = (224, 398)
"""Of the videos: the smallest that the published crop fits in."""


@pytest.fixture(scope="module")
def raw_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    paired = [name for name in NAMES if name.endswith("A050")]
    return raw_files.ntu(folder, NAMES, size=FRAME, pairs=paired)


@pytest.fixture(scope="module")
def data_dir(raw_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    said = prepare("ntu", raw_dir=raw_dir, data_dir=folder)
    assert f"kept {len(NAMES)} of {len(NAMES)} recordings" in said
    return folder


def page(protocol, data_dir, **data):
    """A protocol's page on the few recordings that there are."""
    config = cmmvl.get_config(protocol)
    config.data.update(data_dir=str(data_dir), **{"strict": False, **data})
    for role in config.roles.values():
        role.batch_size = 2
    return config


def tiny(protocol, data_dir):
    """The same with a few channels, pictures of 32 pixels, one epoch."""
    config = page(protocol, data_dir)
    config.update(teacher_floor=0.0, log_every=1)
    config.data.align.lengths = dict(joints=8, rgb=9)
    config.schedule = tuple((name, 1) for name in ROLES)
    for role in config.roles.values():
        role.model = NETWORK
        for step in (*role.augment, *role.prepare):
            if "size" in step:
                step["size"] = SMALL[step["function"].partition(".")[0]]
    return config.lock()


def test_a_part_of_the_data_set_is_taken_when_asked_for(data_dir, tmp_path):
    place = f"--config.data.data_dir={data_dir}"
    done = tiny_runs.command(
        "--config=experiments/configs/cmmvl.py:ntu60_csub",
        f"--workdir={tmp_path}",
        *(place, "--config.data.strict=False"),
    )
    assert done.returncode == 1
    # The page's batches are larger than what there is.
    assert "batch_size is 128" in done.stderr and "6 training examples" in done.stderr


@pytest.mark.parametrize("protocol", SPLITS)
def test_every_protocol_is_a_whole_page_on_raw_files(protocol, data_dir):
    """In full size: published networks, frames and crops."""
    with pytest.raises(RunError, match="strict=False takes what there is"):
        build.build(page(protocol, data_dir, strict=True))
    experiment = build.build(page(protocol, data_dir))
    splits = experiment.data.dataset.splits
    keys = [sorted(r.key for r in splits[side].rows) for side in ("train", "test")]
    assert keys == [sorted(side) for side in SPLITS[protocol]]
    classes = 60 if protocol.startswith("ntu60") else 120
    assert experiment.data.dataset.classes == CLASSES[:classes]
    example = experiment.data.sources["train"][0]
    assert example["joints"].shape == (3, 48, 2, 25, 3)
    assert example["rgb"].shape == (3, 32, *FRAME, 3)
    if protocol == TRACED:
        train.check_steps(experiment, train.compile_steps(experiment))


@pytest.fixture(scope="module")
def ended(data_dir, tmp_path_factory):
    """One protocol's teacher and then its student, which hears the teacher's logits."""
    folder = epath.Path(tmp_path_factory.mktemp("runs"))
    train.main(tiny(RUN, data_dir), folder, None)
    return folder


def test_teacher_and_student_end_with_numbers(ended):
    results = json.loads((ended / "results.json").read_text())
    assert results["epochs"] == {"teacher": 1, "student": 1}
    lines = [*map(json.loads, (ended / "metrics.jsonl").read_text().splitlines())]
    for role in ROLES:
        numbers = results["roles"][role]["test"]
        assert numbers["examples"] == len(TESTED)
        assert all(map(math.isfinite, numbers.values()))
        found = evaluate.read(ended / "predictions" / f"{role}_test.npz")
        assert sorted(found.key) == sorted(TESTED)
        assert found.logits.shape == (len(TESTED), 60)
        assert np.isfinite(found.logits).all()
        assert found.label.tolist() == [int(key[-3:]) - 1 for key in found.key]
        steps = [n for n in lines if (n["role"], n["split"]) == (role, "train")]
        assert [line["step"] for line in steps] == [1, 2, 3]
    with np.load(ended / "targets" / "teacher.npz") as asked:
        assert sorted(asked["key"]) == sorted([*TRAINED, *PAIR])
        assert asked["logits"].shape == (6, 60)


@pytest.mark.parametrize(
    ("role", "file"),
    [
        ("student", "nturgb+d_rgb/{}_rgb.avi"),
        ("teacher", "nturgb+d_skeletons/{}.skeleton"),
    ],
)
def test_a_raw_file_is_predicted_as_in_the_run(ended, raw_dir, role, file):
    key = TESTED[3]
    path = raw_dir / file.format(key)
    place = [f"--workdir={ended}", "--mode=predict", f"--role={role}"]
    done = tiny_runs.command(*place, f"--input={path}")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["recording"] == [str(path)]
    assert said["class"] in CLASSES and set(said["probabilities"]) == set(CLASSES[:60])
    found = evaluate.read(ended / "predictions" / f"{role}_test.npz")
    (logits,) = found.logits[found.key == key]
    np.testing.assert_allclose(
        [said["probabilities"][name] for name in CLASSES[:60]],
        jax.nn.softmax(logits),
        atol=2e-5,
    )


def test_the_report_names_the_actions(ended, capsys, monkeypatch):
    save = plots.save

    def one_sample(folder, name, draw):
        # The other figures are those of every experiment.
        return save(folder, name, draw) if name == "sample_0" else Image(name, 9, 9)

    monkeypatch.setattr(plots, "save", one_sample)
    report.main(run.stored_config(ended), ended, argparse.Namespace(baseline=""))
    assert capsys.readouterr().out.startswith("report: ")
    text = " ".join((ended / "report" / "index.html").read_text().split())
    assert f"{len(TESTED)} examples of the test split" in text
    assert CLASSES[0] in text and CLASSES[49] in text
    assert "cannot be read again" not in text
    assert (ended / "report" / "sample_0.png").exists()

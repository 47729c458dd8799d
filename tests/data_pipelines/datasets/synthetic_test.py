"""The embedded data set: splits, purity, recordings on disk."""

import collections
import pickle

import numpy as np
import pytest

from data_pipelines.dataset import rows
from data_pipelines.datasets import synthetic
from data_pipelines.errors import DataError
from data_pipelines.person import performance, sensors

MODALITIES = ("skeleton", "inertial")


def small(**options):
    return synthetic.load(subjects=4, trials_per_subject=1, **options)


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_twenty_subjects_two_trials_of_twelve_actions_are_split_by_subject():
    dataset = synthetic.load()
    assert dataset.name == "synthetic" and dataset.topology == "kinect_v2"
    assert dataset.modalities == MODALITIES
    assert len(set(dataset.classes)) == 12
    train, test = (rows(dataset.splits[name]) for name in ("train", "test"))
    assert len(train) == len(test) == 20 * 12 * 2 // 2
    assert {row.subject for row in train} == set(range(1, 20, 2))
    assert {row.subject for row in test} == set(range(2, 21, 2))
    assert len({row.key for row in train + test}) == 480
    for split in (train, test):
        labels = collections.Counter(row.label for row in split)
        assert labels == dict.fromkeys(range(12), 20)


def test_examples_keep_the_contract_and_their_rows():
    dataset = small()
    source = dataset.splits["test"]
    for index, row in enumerate(rows(source)):
        example = source[index]
        assert (example["key"], example["label"], example["subject"]) == row
        assert type(example["label"]) is int and type(example["subject"]) is int
        assert example["key"].startswith(dataset.classes[row.label])
        assert example["skeleton"].shape[1:] == (1, 25, 3)
        assert example["inertial"].shape[1:] == (3,)
        for name in MODALITIES:
            assert example[name].dtype == np.float32
            assert np.isfinite(example[name]).all()


def test_an_example_is_a_function_of_seed_and_index_alone():
    source = small(seed=5).splits["train"]
    forwards = [source[i] for i in range(6)]
    copy = pickle.loads(pickle.dumps(small(seed=5).splits["train"]))
    for index in (4, 0, 5, 2):
        assert_same(copy[index], forwards[index])
    other = small(seed=6).splits["train"][2]
    assert other["key"] == forwards[2]["key"]
    assert (
        len(other["inertial"]) != len(forwards[2]["inertial"])
        or (other["inertial"] != forwards[2]["inertial"]).any()
    )


def test_fewer_classes_or_more_trials_leave_the_examples_as_they_are():
    full = {row.key: i for i, row in enumerate(rows(small().splits["train"]))}
    part = synthetic.load(
        subjects=2, trials_per_subject=2, classes=["walk", "clap"]
    ).splits["train"]
    assert [row.key for row in part.rows] == [
        *("walk_s1_t1", "walk_s1_t2", "clap_s1_t1", "clap_s1_t2")
    ]
    again = small().splits["train"][full["clap_s1_t1"]]
    assert_same(part[2] | {"label": again["label"]}, again)


def test_an_index_outside_the_split_is_refused_and_negative_ones_count_back():
    source = small().splits["test"]
    assert_same(source[-1], source[len(source) - 1])
    with pytest.raises(IndexError):
        source[len(source)]


def test_held_out_subjects_become_the_validation_split():
    splits = synthetic.load(subjects=6, trials_per_subject=1, holdout=[3]).splits
    subjects = {name: {row.subject for row in rows(s)} for name, s in splits.items()}
    assert subjects == {"train": {1, 5}, "val": {3}, "test": {2, 4, 6}}
    assert "val" not in small().splits


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "cview"}, r"protocols \['csub'\], not 'cview'"),
        ({"holdout": [2]}, r"cannot hold out subject 2, .* are \[1, 3\]"),
        ({"holdout": [1, 3]}, "split 'train' is empty"),
        ({"classes": ["walk", "swim"]}, "no action 'swim'"),
        ({"classes": ["walk"]}, "not two or more"),
        ({"classes": ["walk", "clap", "walk"]}, "not two or more"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"sensor": "tail"}, "cannot be worn on 'tail'"),
    ],
)
def test_options_that_make_no_data_set_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        small(**options)


def test_too_few_subjects_or_trials_are_refused():
    with pytest.raises(DataError, match="split 'test' is empty"):
        synthetic.load(subjects=1)
    with pytest.raises(DataError, match="trials_per_subject 0"):
        synthetic.load(trials_per_subject=0)


def test_other_modalities_are_made_from_the_performance_of_an_example():
    source = small(sensor="left_wrist").splits["train"]
    for index in (1, 7):
        shown, example = source.performance_of(index), source[index]
        assert_same({"x": sensors.skeleton(shown)}, {"x": example["skeleton"]})
        worn = sensors.accelerometer(shown, joint="left_wrist")
        assert_same({"x": worn}, {"x": example["inertial"]})
        seen = performance.joints(shown, np.zeros(1))[0] - sensors.KINECT
        np.testing.assert_allclose(example["skeleton"][0, 0], seen, atol=0.1)


def test_the_sensor_confuses_classes_that_the_skeleton_separates():
    # Linear classifiers (ridge) on 24 frames of each trial: with seeds 0, 1, 2 the
    # skeleton gave 100 %, the sensor 61, 56 and 65 %.
    dataset = synthetic.load(seed=0)
    truth, skeleton = linear(dataset, "skeleton")
    _, inertial = linear(dataset, "inertial")
    assert (skeleton == truth).mean() > 0.97
    assert 0.5 < (inertial == truth).mean() < 0.75
    for pair in (("wave_right", "wave_both"), ("kick_left", "kick_right")):
        one, two = (dataset.classes.index(name) for name in pair)
        either = np.isin(truth, (one, two)) & np.isin(inertial, (one, two))
        assert (inertial != truth)[either].mean() > 0.15
        assert (skeleton == truth)[either].mean() > 0.97


def linear(dataset, modality):
    """Labels and predictions of the test split by ridge regression."""
    features, labels = {}, {}
    for name in ("train", "test"):
        source = dataset.splits[name]
        clips = [source[i][modality] for i in range(len(source))]
        clips = [c[np.linspace(0, len(c) - 1, 24).round().astype(int)] for c in clips]
        clips = [c - c[..., :1, :] if modality == "skeleton" else c for c in clips]
        features[name] = np.array([clip.ravel() for clip in clips], float)
        labels[name] = np.array([row.label for row in rows(source)])
    mean, scale = features["train"].mean(axis=0), features["train"].std(axis=0) + 1e-6
    x, z = ((features[name] - mean) / scale for name in ("train", "test"))
    dual = np.linalg.solve(x @ x.T + 10 * np.eye(len(x)), np.eye(12)[labels["train"]])
    return labels["test"], (z @ (x.T @ dual)).argmax(axis=1)


@pytest.mark.parametrize("names", [MODALITIES, MODALITIES[:1], MODALITIES[1:]])
def test_what_is_read_is_what_was_written(tmp_path, names):
    example = small().splits["test"][3]
    path = tmp_path / "recording.npz"
    synthetic.write_recording(path, {name: example[name] for name in ("key", *names)})
    expected = {"key": "recording"} | {name: example[name] for name in names}
    assert_same(synthetic.read_recording([path]), expected)


def test_modalities_may_lie_in_files_of_their_own(tmp_path):
    example = small().splits["test"][3]
    paths = [tmp_path / f"{name}.npz" for name in MODALITIES]
    for name, path in zip(MODALITIES, paths):
        synthetic.write_recording(path, {name: example[name]})
    read = synthetic.read_recording(paths)
    assert_same(
        {name: read[name] for name in MODALITIES}, {n: example[n] for n in MODALITIES}
    )
    with pytest.raises(DataError, match="has its skeleton already"):
        synthetic.read_recording([paths[0], paths[0]])


def test_a_file_is_never_overwritten(tmp_path):
    path = tmp_path / "recording.npz"
    path.write_text("precious")
    with pytest.raises(DataError, match="recording.npz: exists already"):
        synthetic.write_recording(path, small().splits["test"][0])
    assert path.read_text() == "precious"
    with pytest.raises(DataError, match="nowhere.*cannot be written"):
        synthetic.write_recording(
            tmp_path / "nowhere" / "x.npz", small().splits["test"][0]
        )


ONES = np.ones((9, 1, 25, 3))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"acc": np.ones((9, 3))}, r"holds \['acc'\]"),
        ({}, r"holds \[\]"),
        ({"inertial": np.ones((9, 6))}, r"float64 of shape \[9, 6\], not .* \[T 3\]"),
        ({"inertial": np.float64(1)}, r"shape \[\]"),
        ({"inertial": np.full((9, 3), "x")}, "inertial is <U1"),
        ({"inertial": np.full((9, 3), np.nan)}, "27 of 27 values are NaN"),
        ({"skeleton": ONES[:, :, :20]}, r"shape \[9, 1, 20, 3\], not .* \[T 1 25 3\]"),
        ({"skeleton": np.repeat(ONES, 2, axis=1)}, r"shape \[9, 2, 25, 3\]"),
        ({"skeleton": ONES * 0}, "skeleton is too short, or zero"),
        ({"skeleton": ONES[:1]}, "skeleton is too short, or zero"),
    ],
)
def test_a_recording_of_the_wrong_kind_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=rf"bad\.npz: .*{message}"):
        synthetic.read_recording([tmp_path / "bad.npz"])


class Alarm:
    """A pickle that leaves a trace if it is ever loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


def test_files_that_are_no_archives_of_numbers_are_refused(tmp_path):
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    synthetic.write_recording(good, small().splits["test"][0])
    contents = [b"", b"not an archive", good.read_bytes()[:-400]]
    damaged = bytearray(good.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    for content in (*contents, bytes(damaged)):
        bad.write_bytes(content)
        with pytest.raises(DataError, match="bad.npz: not a complete .npz file"):
            synthetic.read_recording([bad])
    np.save(tmp_path / "lone.npy", np.ones((9, 3)))
    with pytest.raises(DataError, match="lone.npy: not a complete .npz file"):
        synthetic.read_recording([tmp_path / "lone.npy"])
    trace = tmp_path / "trace"
    np.savez(bad, inertial=np.array([Alarm(trace)], dtype=object))
    with pytest.raises(DataError, match="bad.npz: not a complete .npz file of numbers"):
        synthetic.read_recording([bad])
    assert not trace.exists()
    with pytest.raises(DataError, match="absent.npz: cannot be read"):
        synthetic.read_recording([tmp_path / "absent.npz"])
    with pytest.raises(DataError, match="one .npz file or more"):
        synthetic.read_recording([])


def test_the_command_writes_a_recording_once(tmp_path, capsys):
    path = tmp_path / "three.npz"
    command = ["--index=3", f"--out={path}", "--seed=2"]
    synthetic.main(command)
    expected = synthetic.load(seed=2).splits["test"][3]
    assert capsys.readouterr().out == f"{path}: {expected['key']}\n"
    read = synthetic.read_recording([path])
    for name in MODALITIES:
        np.testing.assert_array_equal(read[name], expected[name])
    with pytest.raises(SystemExit, match="error: .*three.npz: exists already"):
        synthetic.main(command)
    with pytest.raises(SystemExit, match="error: --index is 240, not below 240"):
        synthetic.main(["--index=240", f"--out={tmp_path / 'x.npz'}", "--split=train"])
    assert not (tmp_path / "x.npz").exists()

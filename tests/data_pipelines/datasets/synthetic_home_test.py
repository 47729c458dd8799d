"""The embedded home: splits, the contract of examples, what each modality tells."""

import pickle

import numpy as np
import pytest

from data_pipelines import loader
from data_pipelines.dataset import rows
from data_pipelines.datasets import synthetic_home
from data_pipelines.errors import DataError
from data_pipelines.home import script
from data_pipelines.sources import Drawn
from data_pipelines.transforms import scenes


def small(**options):
    return synthetic_home.load(
        **({"subjects": 3, "recordings_per_subject": 2, "size": 24} | options)
    )


def test_every_third_subject_tests():
    dataset = small(subjects=6)
    assert (dataset.name, dataset.topology) == ("synthetic_home", "kinect_v2")
    assert dataset.modalities == ("rgb", "audio", "human")
    subjects = {
        name: {row.subject for row in rows(split)}
        for name, split in dataset.splits.items()
    }
    assert subjects == {"train": {1, 2, 4, 5}, "test": {3, 6}}
    assert [len(split) for split in dataset.splits.values()] == [8, 4]


def test_the_default_is_of_120_and_60_recordings_that_show_all_classes():
    dataset = synthetic_home.load()
    assert [len(split) for split in dataset.splits.values()] == [120, 60]
    assert dataset.classes == synthetic_home.CLASSES == tuple(sorted(dataset.classes))
    for split in dataset.splits.values():
        labels = [label for row in rows(split)[:20] for label in row.label]
        assert set(labels) == set(range(8))


def test_an_example_keeps_the_contract():
    dataset = small(cameras=3)
    source = dataset.splits["train"]
    for index in range(2):
        example = source[index]
        length, classes = example["frame_labels"].shape
        assert (25 <= length <= 30) and classes == 8
        assert example["key"] == f"01_{index:02d}_Part1" and example["subject"] == 1
        assert example["labels"].dtype == example["frame_labels"].dtype == np.float32
        label = tuple(np.flatnonzero(example["labels"]).tolist())
        assert example["label"] == label == rows(source)[index].label
        np.testing.assert_array_equal(example["frame_labels"].max(0), example["labels"])
        assert example["view_ids"].tolist() == [1, 2, 3]
        assert example["view_ids"].dtype == np.int32
        assert example["view_mask"].tolist() == [1, 1, 1]
        assert len(example["views"]) == 3
        for view in example["views"]:
            assert len(view["rgb"]) == len(view["human"]) == length
            assert view["rgb"][np.array([0, 5])].shape == (2, 24, 24, 3)
            assert view["audio"].shape == (length * 6400,)
            assert view["audio"].dtype == view["human"].dtype == np.float32
            assert np.abs(view["audio"]).max() <= 1
            assert set(view) == {"key", "rgb", "audio", "human"}


def test_frame_labels_are_the_rows_between_start_and_end():
    source = small().splits["train"]
    example = source[0]
    expected = np.zeros_like(example["frame_labels"])
    for name, start, end in script.annotated(source.script_of(0)):
        for row in range(len(expected)):
            if round(start * 2.5) <= row <= round(end * 2.5):
                expected[row, synthetic_home.CLASSES.index(name)] = 1
    assert expected.any()
    np.testing.assert_array_equal(example["frame_labels"], expected)


def test_modalities_that_are_not_asked_for_are_not_made():
    (view, *_) = small(modalities=("human",)).splits["train"][0]["views"]
    assert set(view) == {"key", "human"}


def test_an_example_is_the_same_at_every_reading_and_from_a_copy():
    source = small().splits["test"]
    one, other = source[1], pickle.loads(pickle.dumps(source))[1]
    for mine, theirs in zip(one["views"], other["views"]):
        for name in ("audio", "human"):
            np.testing.assert_array_equal(mine[name], theirs[name])
        some = np.array([0, 9])
        np.testing.assert_array_equal(mine["rgb"][some], theirs["rgb"][some])
    different = small(seed=1).splits["test"][1]
    assert (different["views"][0]["audio"][:9] != one["views"][0]["audio"][:9]).any()
    with pytest.raises(IndexError):
        source[2]


def test_subjects_are_held_out():
    splits = small(subjects=6, holdout=[4]).splits
    subjects = {name: {row.subject for row in rows(s)} for name, s in splits.items()}
    assert subjects == {"train": {1, 2, 5}, "val": {4}, "test": {3, 6}}


def test_batches_keep_the_contract():
    dataset = small(cameras=2)
    sample = scenes.for_dataset(dataset, frames=6, rows=40, mel_bins=16)
    source = Drawn(dataset.splits["train"], sample)
    batch = next(loader.make_loader(source, batch_size=3, seed=1, threads=0))
    shapes = {name: array.shape for name, array in batch.items()}
    assert shapes["rgb"] == (3, 2, 6, 24, 24, 3)
    assert shapes["audio"] == (3, 2, 6, 40, 16)
    assert shapes["frame_labels"] == (3, 6, 8) and shapes["labels"] == (3, 8)
    for name in ("audible", "visible", "present"):
        assert shapes[name] == (3, 2, 6)
    assert (batch["audible"] == 1).all() and (batch["present"] == 1).all()
    assert 0 < (batch["visible"] > 0).mean() < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "cview"}, "has the protocols .*'cview'"),
        ({"modalities": ("rgb", "depth")}, "not .*depth"),
        ({"overlap": "most"}, "overlap is one of .*'most'"),
        ({"cameras": 1}, "1 cameras"),
        ({"cameras": 9}, "9 cameras"),
        ({"size": 8}, "pictures of 8 pixels"),
        ({"persons": 3}, "persons is 3"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"classes": ("knock", "swim")}, "no activity 'swim'"),
        ({"classes": ("knock", "knock")}, "not two or more classes"),
        ({"subjects": 2}, "'test' is empty"),
        ({"subjects": 100}, "100 subjects"),
        ({"recordings_per_subject": 0}, "0 recordings"),
        ({"holdout": [3]}, "cannot hold out subject 3"),
    ],
)
def test_options_that_make_no_data_set_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        small(**options)


def spectrum(view, labels, label):
    """Loudness in 12 bands while something is done."""
    length = len(labels)
    chunks = view["audio"].reshape(length, -1)[labels[:, label] > 0]
    power = np.abs(np.fft.rfft(chunks, axis=-1)) ** 2
    bands = np.array_split(power[:, 40:2000], 12, axis=-1)
    return np.log(np.stack([band.mean(-1) for band in bands], -1).max(0) + 1e-4)


def test_sound_tells_what_movement_cannot():
    # One movement: a linear classifier (ridge) of the sounds of the loudest microphone.
    dataset = synthetic_home.load(
        classes=("knock", "wipe"),
        subjects=12,
        recordings_per_subject=3,
        persons=1,
        modalities=("audio",),
    )
    inputs, labels = ([], []), ([], [])
    for side, split in enumerate(("train", "test")):
        source = dataset.splits[split]
        for example in (source[i] for i in range(len(source))):
            for label in example["label"]:
                every = [
                    spectrum(view, example["frame_labels"], label)
                    for view in example["views"]
                ]
                inputs[side].append(max(every, key=np.sum))
                labels[side].append(label)
    x, z = (np.append(np.array(i), np.ones((len(i), 1)), 1) for i in inputs)
    weights = np.linalg.solve(x.T @ x + np.eye(13), x.T @ np.eye(2)[labels[0]])
    assert np.mean((z @ weights).argmax(1) == np.array(labels[1])) > 0.9


def test_a_recording_is_read_as_it_was_written(tmp_path, capsys):
    path = tmp_path / "three.npz"
    synthetic_home.main(["--index=4", f"--out={path}"])
    expected = synthetic_home.load().splits["test"][4]
    assert capsys.readouterr().out == f"{path}: {expected['key']}\n"
    found = synthetic_home.read_recording([path])
    assert found["key"] == "three" and "label" not in found
    assert found["view_ids"].tolist() == [1, 2, 3, 4, 5]
    assert found["view_mask"].tolist() == [1] * 5
    every = np.arange(len(expected["frame_labels"]))
    for mine, theirs in zip(found["views"], expected["views"]):
        assert set(mine) == {"key", "rgb", "audio"}
        np.testing.assert_array_equal(mine["rgb"], theirs["rgb"][every])
        np.testing.assert_array_equal(mine["audio"], theirs["audio"])
        assert mine["rgb"].dtype == np.uint8 and mine["audio"].dtype == np.float32


def test_a_recording_may_be_of_one_modality_but_not_of_two_homes(tmp_path):
    pictures, wave = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(pictures, rgb=np.ones((4, 3, 16, 16, 3), np.uint8))
    np.savez(wave, audio=np.ones((4 * 6400, 2), np.float32))
    assert len(synthetic_home.read_recording([pictures])["views"]) == 3
    assert len(synthetic_home.read_recording([wave])["views"]) == 2
    with pytest.raises(DataError, match="a.npz: the numbers of views are"):
        synthetic_home.read_recording([pictures, wave])
    np.savez(tmp_path / "c.npz", rgb=np.ones((4, 16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"not numbers \[T V H W 3\]"):
        synthetic_home.read_recording([tmp_path / "c.npz"])

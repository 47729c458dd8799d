"""The embedded person before several cameras: splits, views, what each modality tells."""

import pickle

import numpy as np
import pytest

from data_pipelines import loader
from data_pipelines.dataset import rows
from data_pipelines.datasets import synthetic_views
from data_pipelines.errors import DataError
from data_pipelines.sources import Drawn
from data_pipelines.transforms import clips


def small(**options):
    return synthetic_views.load(**({"subjects": 4, "trials_per_subject": 1} | options))


def cameras(split):
    return {synthetic_views.place(row.key).camera for row in rows(split)}


def test_subjects_with_odd_numbers_train_on_all_cameras():
    dataset = small()
    assert (dataset.name, dataset.topology) == ("synthetic_views", "kinect_v2")
    assert dataset.modalities == ("joints", "rgb")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert {row.subject for row in rows(train)} == {1, 3}
    assert {row.subject for row in rows(test)} == {2, 4}
    assert len(train) == len(test) == 2 * 10 * 3
    assert cameras(train) == cameras(test) == {1, 2, 3}


def test_the_last_camera_tests_and_the_others_train():
    dataset = small(protocol="cview")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert (cameras(train), cameras(test)) == ({1, 2}, {3})
    assert {row.subject for row in rows(train)} == {1, 2, 3, 4}
    example = train[0]
    assert example["view_ids"].tolist() == [1, 2, 1]
    assert example["view_mask"].tolist() == [0, 1, 1]


def test_the_views_show_one_performance_at_the_same_times():
    example = small().splits["train"][1]
    assert example["key"] == "drink_s1_t1_c2"
    assert [view["key"] for view in example["views"]] == [
        *("drink_s1_t1_c1", "drink_s1_t1_c3", "drink_s1_t1_c2")
    ]
    assert example["view_mask"].tolist() == [1, 1, 1]
    assert len({len(view["rgb"]) for view in example["views"]}) == 1
    for view in example["views"]:
        assert len(view["joints"]) == len(view["rgb"])


def test_a_test_example_is_one_recording():
    example = small().splits["test"][0]
    assert len(example["views"]) == 1 and example["view_ids"].tolist() == [1]


def test_subjects_are_held_out_with_all_their_cameras():
    splits = small(subjects=6, holdout=[3]).splits
    subjects = {name: {row.subject for row in rows(s)} for name, s in splits.items()}
    assert subjects == {"train": {1, 5}, "val": {3}, "test": {2, 4, 6}}
    assert len(splits["val"][0]["views"]) == 1


def test_training_subjects_may_be_some_of_them():
    splits = small(subjects=6, train_subjects=[1, 5], holdout=[5]).splits
    subjects = {name: {row.subject for row in rows(s)} for name, s in splits.items()}
    assert subjects == {"train": {1}, "val": {5}, "test": {2, 4, 6}}


def test_training_labels_may_be_wrong_where_those_that_judge_are_not():
    options = dict(subjects=6, trials_per_subject=2, holdout=[5])
    right, given = (small(**options, mislabelled=m).splits for m in (0.0, 0.4))
    for name in ("val", "test"):
        assert rows(given[name]) == rows(right[name])
    pairs = [*zip(rows(right["train"]), rows(given["train"]), strict=True)]
    assert all(a.key == b.key and a.subject == b.subject for a, b in pairs)
    wrong = {a.key for a, b in pairs if a.label != b.label}
    # Of forty performances, each with three cameras that are wrong together.
    assert 0.15 < len(wrong) / len(pairs) < 0.65
    names = {synthetic_views.place(key).performance for key in wrong}
    assert len(wrong) == 3 * len(names)
    index = next(i for i, (a, _) in enumerate(pairs) if a.key in wrong)
    assert given["train"][index]["label"] == pairs[index][1].label


def test_batches_keep_the_contract_and_sources_pickle():
    dataset = small(size=32)
    sample = clips.for_dataset(dataset, lengths={"joints": 12, "rgb": 8})
    source = pickle.loads(pickle.dumps(Drawn(dataset.splits["train"], sample)))
    batch, again = (
        next(loader.make_loader(s, batch_size=4, seed=1, threads=0))
        for s in (source, Drawn(dataset.splits["train"], sample))
    )
    shapes = {name: array.shape for name, array in batch.items()}
    assert shapes["rgb"] == (4, 3, 8, 32, 32, 3)
    assert shapes["joints"] == (4, 3, 12, 1, 25, 3)
    assert batch["rgb"].dtype == np.uint8 and batch["joints"].dtype == np.float32
    for name in batch:
        np.testing.assert_array_equal(batch[name], again[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "cset"}, "has the protocols .*'cset'"),
        ({"cameras": 0}, "0 cameras"),
        ({"cameras": 1, "protocol": "cview"}, "1 cameras"),
        ({"size": 8}, "pictures of 8 pixels"),
        ({"classes": ["drink", "swim"]}, "no action 'swim'"),
        ({"holdout": [2]}, "cannot hold out subject 2"),
        ({"train_subjects": [2]}, "cannot learn from subject 2"),
        ({"mislabelled": 1.5}, "1.5 of the labels cannot be wrong"),
        ({"views": 0}, "at least 1 view"),
    ],
)
def test_options_that_make_no_data_set_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        small(**options)


def test_pictures_tell_what_poses_cannot():
    # Linear classifiers (ridge) of what one of the three is done at the mouth, camera 2:
    # trajectories of the joints, and the colours around the hand.
    dataset = synthetic_views.load(
        classes=("drink", "eat", "brush_teeth"), subjects=12, views=1
    )
    inputs = {"joints": [], "rgb": []}, {"joints": [], "rgb": []}
    labels = [], []
    for side, split in enumerate(("train", "test")):
        source = dataset.splits[split]
        for i, row in enumerate(rows(source)):
            if synthetic_views.place(row.key).camera == 2:
                (view,) = source[i]["views"]
                joints, colours = features(view)
                inputs[side]["joints"].append(joints)
                inputs[side]["rgb"].append(colours)
                labels[side].append(row.label)
    accuracy = {name: ridge(inputs, labels, name) for name in ("joints", "rgb")}
    # Chance is a third; of 36 tests 60 % are more than three deviations above it.
    assert accuracy["joints"] < 0.6
    assert accuracy["rgb"] > 0.9


def features(view):
    """The course of the joints, and mean colours around the right hand when it is up."""
    times = np.linspace(0, len(view["joints"]) - 1, 12).round().astype(int)
    course = view["joints"][times, 0, :, :2]
    hand = view["joints"][:, 0, 11, :2]
    high = np.argsort(hand[:, 1])[:4]
    patches = [
        frame[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
        for frame, (x, y) in zip(view["rgb"][high], np.rint(hand[high]).astype(int))
    ]
    saturated = [patch[np.argsort(np.ptp(patch, 1))[-4:]].mean(0) for patch in patches]
    return (course - course[:, :1]).ravel(), np.mean(saturated, axis=0)


def ridge(inputs, labels, name):
    """Accuracy on the second part of what the first part teaches."""
    train, test = (np.array(part[name], float) for part in inputs)
    mean, scale = train.mean(0), train.std(0) + 1e-6
    x, z = (train - mean) / scale, (test - mean) / scale
    dual = np.linalg.solve(x @ x.T + np.eye(len(x)), np.eye(3)[labels[0]])
    return np.mean((z @ (x.T @ dual)).argmax(1) == np.array(labels[1]))


def test_a_recording_is_read_as_it_was_written(tmp_path, capsys):
    path = tmp_path / "three.npz"
    synthetic_views.main(["--index=4", f"--out={path}"])
    expected = synthetic_views.load().splits["test"][4]
    assert capsys.readouterr().out == f"{path}: {expected['key']}\n"
    found = synthetic_views.read_recording([path])
    (view,), (main_view,) = found["views"], expected["views"]
    assert view["rgb"].dtype == np.uint8
    every = np.arange(len(main_view["rgb"]))
    np.testing.assert_array_equal(view["rgb"], main_view["rgb"][every])
    np.testing.assert_array_equal(view["joints"], main_view["joints"])
    sampled = clips.Clips(lengths={"joints": 5, "rgb": 4})
    ours, theirs = sampled(found), sampled(expected)
    for name in ("joints", "rgb", "view_mask"):
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_recording_of_other_shapes_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, rgb=np.ones((4, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"rgb is uint8 .* not numbers \[T H W 3\]"):
        synthetic_views.read_recording([path])

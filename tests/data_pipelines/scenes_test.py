"""Clips to examples of all cameras: order, what is missing, other rates, masks."""

import numpy as np
import pytest

from data_pipelines import people, scenes, sound, stored
from data_pipelines.dataset import Dataset, rows
from data_pipelines.errors import DataError


def clip(key="k", **frames):
    """A stored clip: `c1=7` is a camera 1 of 7 frames with sound of its number."""
    made = {"key": key, "label": (0, 2), "subject": 3}
    for name, count in frames.items():
        number = name.removeprefix("c")
        made[f"rgb{number}"] = np.arange(count)
        made[f"audio{number}"] = np.full(100 * count, 1000 * int(number), np.int16)
    return made


def assembled(frames, *, known=((0, 0.0, 0.4), (2, 1.0, 2.0)), **options):
    scene = scenes.Scene(frames, (0, 2), known)
    microphones = {1: (1,), 2: (2,), 3: (3,)}
    options = {"classes": 3, "microphones": microphones, **options}
    return scenes.Assembled(known={"k": scene}, **options)


def test_views_stand_in_the_order_of_the_cameras_and_hear_their_microphones():
    # The fields of a record come in any order.
    example = assembled({3: 9, 1: 8, 2: 7})(clip(c3=9, c1=8, c2=7))
    assert example["view_ids"].tolist() == [1, 2, 3]
    assert example["view_mask"].tolist() == [1, 1, 1]
    assert [view["key"] for view in example["views"]] == ["k_c1", "k_c2", "k_c3"]
    assert [len(view["rgb"]) for view in example["views"]] == [8, 7, 9]
    heard = [view["audio"] for view in example["views"]]
    assert all(wave.dtype == np.float32 for wave in heard)
    np.testing.assert_allclose([w[0] * sound.SCALE for w in heard], [1000, 2000, 3000])
    assert (example["label"], example["subject"]) == ((0, 2), 3)


def test_labels_are_of_the_grid_of_the_shortest_view():
    example = assembled({1: 8, 2: 7, 3: 9})(clip(c1=8, c2=7, c3=9))
    assert example["labels"].tolist() == [1, 0, 1]
    assert example["frame_labels"].shape == (7, 3)
    assert np.flatnonzero(example["frame_labels"][:, 0]).tolist() == [0, 1]
    assert np.flatnonzero(example["frame_labels"][:, 2]).tolist() == [2, 3, 4, 5]


def test_weak_labels_say_what_occurs_and_not_when():
    example = assembled({1: 8, 2: 7, 3: 9}, known=None)(clip(c1=8, c2=7, c3=9))
    assert "frame_labels" not in example and example["labels"].sum() == 2


def test_a_missing_camera_keeps_its_place():
    example = assembled({1: 8, 3: 9})(clip(c1=8, c2=0, c3=9))
    assert example["view_mask"].tolist() == [1, 0, 1]
    assert [*example["views"][1]] == ["key"] and len(example["frame_labels"]) == 8


def test_a_camera_may_hear_several_microphones_or_none():
    microphones = {1: (1, 2, 3), 2: (9,), 3: ()}
    made = assembled({1: 4, 2: 4, 3: 4}, microphones=microphones)
    example = made(clip(c1=4, c2=3, c3=5))
    wave = example["views"][0]["audio"]
    assert len(wave) == 300
    np.testing.assert_allclose(wave * sound.SCALE, 2000)
    assert "audio" not in example["views"][1] and "audio" not in example["views"][2]


def test_a_coarser_grid_takes_every_so_many_frames():
    made = assembled(
        {1: 8, 2: 7, 3: 9}, step=2, masks={"k": np.arange(21).reshape(3, 7)}
    )
    example = made(clip(c1=8, c2=7, c3=9))
    assert [len(view["rgb"]) for view in example["views"]] == [4, 4, 5]
    assert example["views"][2]["rgb"][np.array([4, 0])].tolist() == [8, 0]
    assert example["views"][1]["human"].tolist() == [7, 9, 11, 13]
    # 1.0 and 2.0 s at 1.25 frames a second are 1.25 and 2.5, rounded to even.
    assert np.flatnonzero(example["frame_labels"][:, 2]).tolist() == [1, 2]
    assert example["frame_labels"].shape == (4, 3)


def test_masks_are_read_for_every_clip(tmp_path):
    known = {name: scenes.Scene({1: 6, 2: 5}, (0,), ()) for name in ("a", "b")}
    built = stored.Stored("d", str(tmp_path / "d" / "1.0.0"), (), {})
    folder = tmp_path / "d" / "human"
    with pytest.raises(DataError, match=f"people --dataset=d .* --out={folder} writes"):
        scenes.masks(built, "human", known, (1, 2))
    folder.mkdir(parents=True)
    for name in known:
        people.write(folder / f"{name}.npz", np.full((2, 5), ord(name)))
    for where in ("human", str(folder)):
        got = scenes.masks(built, where, known, (1, 2))
        assert got["b"].shape == (2, 5) and (got["b"] == ord("b")).all()
    assert scenes.masks(built, None, known, (1, 2)) == {}
    people.write(folder / "b.npz", np.zeros((2, 6)))
    with pytest.raises(DataError, match="b.npz: a mask of the shape"):
        scenes.masks(built, "human", known, (1, 2))


ENTRIES = [
    {"key": "whole", "frames": {"1": 5, "2": 5}, "side": "train"},
    {"key": "half", "frames": {"2": 5}, "side": "train"},
    {"key": "test", "frames": {"1": 5, "2": 5}, "side": "test"},
]


def usable(entries=ENTRIES, *, missing_views="drop", strict=True):
    chosen = scenes.usable(
        "d",
        entries,
        (1, 2),
        lambda entry: entry["side"] == "train",
        missing_views=missing_views,
        strict=strict,
    )
    return [entry["key"] for entry in chosen]


def test_a_training_clip_that_lacks_a_camera_is_dropped_masked_or_refused():
    assert usable() == ["whole", "test"]
    assert usable(missing_views="mask") == ["whole", "half", "test"]
    with pytest.raises(DataError, match="d: the training clip half lacks camera 1"):
        usable(missing_views="error")
    with pytest.raises(DataError, match="missing_views is one of"):
        usable(missing_views="zero")


@pytest.mark.parametrize("policy", scenes.MISSING)
def test_a_test_clip_that_lacks_a_camera_is_an_error(policy):
    entries = [ENTRIES[0], {**ENTRIES[1], "side": "test"}]
    with pytest.raises(DataError, match="test clip half lacks camera 1; strict=False"):
        usable(entries, missing_views=policy)
    assert usable(entries, missing_views=policy, strict=False) == ["whole"]


def test_only_the_fields_of_what_is_asked_for_are_read():
    assert [*scenes.fields(("rgb",), (1, 2), (1, 2))] == ["rgb1", "rgb2"]
    got = scenes.fields(("rgb", "audio"), (0,), (0, 1))
    assert got == {name: name for name in ("rgb0", "audio0", "audio1")}


@pytest.mark.parametrize("modalities", [(), ("audio",), ("rgb", "depth")])
def test_modalities_without_pictures_or_unknown_are_refused(modalities):
    with pytest.raises(DataError, match="d has rgb and, if asked for, audio and human"):
        scenes.check_modalities("d", modalities)


class Clips:
    """One stored clip."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return clip(c1=4, c2=4, c3=4)


def test_a_data_set_of_clips_becomes_one_of_examples():
    whole = Dataset("d", ("a", "b", "c"), {"train": Clips()}, "coco", ("rgb",))
    made = scenes.assembled(whole, assembled({1: 4, 2: 4, 3: 4}))
    assert len(made.splits["train"][0]["views"]) == 3
    assert rows(made.splits["train"]) == [("k", (0, 2), 3)]

"""Clips of all cameras: which frames, sound, masks, what is missing, faults."""

import json

import numpy as np
import pytest

from data_pipelines import fbank, loader
from data_pipelines.dataset import Dataset, Row
from data_pipelines.errors import DataError
from data_pipelines.sources import Drawn, Held, Mapped
from data_pipelines.transforms import frames, scenes
from tests import reference_scenes
from tests.data_pipelines import scene_files

ALL = ("rgb", "audio", "human")


class Numbered:
    """Pictures whose pixels are their number, which remember what was asked for."""

    def __init__(self, count):
        self.count, self.asked = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, indices):
        self.asked.append(indices)
        pixels = np.asarray(indices, np.uint8)[:, None, None, None]
        return np.broadcast_to(pixels, (len(indices), 4, 6, 3)).copy()


def view(number, count, *, sound=True):
    """A camera whose pictures, sound and mask say the number of the frame."""
    made = {"key": f"k_c{number}", "rgb": Numbered(count)}
    made["human"] = np.arange(count, dtype=np.float32) / 100
    if sound:
        made["audio"] = scene_files.tones(0.4 * count)[0]
    return made


def example(*counts, mask=None, length=None, sound=True):
    """Cameras of so many frames; class t % 3 occurs in frame t."""
    length = length or min(counts)
    views = tuple(view(n, count, sound=sound) for n, count in enumerate(counts, 1))
    return {
        "key": "k",
        "label": (0, 1, 2),
        "subject": 1,
        "labels": np.ones(3, np.float32),
        "frame_labels": np.eye(3, dtype=np.float32)[np.arange(length) % 3],
        "views": views,
        "view_ids": np.arange(1, len(counts) + 1, dtype=np.int32),
        "view_mask": np.ones(len(counts), np.float32)
        if mask is None
        else np.array(mask, np.float32),
    }


def sampled(**options):
    return scenes.Scenes(**{"modalities": ALL, "frames": 6, "mel_bins": 32, **options})


def test_a_clip_has_the_shapes_of_the_contract():
    out = sampled()(example(12, 14))
    assert {
        name: (v.shape, v.dtype.name) for name, v in out.items() if name != "key"
    } == {
        "rgb": ((2, 6, 4, 6, 3), "uint8"),
        "audio": ((2, 6, 64, 32), "float32"),
        "audible": ((2, 6), "float32"),
        "visible": ((2, 6), "float32"),
        "present": ((2, 6), "float32"),
        "labels": ((3,), "float32"),
        "frame_labels": ((6, 3), "float32"),
    }
    assert out["key"] == "k" and out["present"].all() and out["audible"].all()


@pytest.mark.parametrize("length", [3, 6, 20])
def test_all_that_is_shown_is_of_the_same_frames(length):
    for draw in (False, True):
        shown = example(length, length + 2)
        transform = sampled()
        rng = frames.generator(length)
        out = transform.draw(shown, rng) if draw else transform(shown)
        chosen = out["rgb"][0, :, 0, 0, 0]
        np.testing.assert_array_equal(out["rgb"][1, :, 0, 0, 0], chosen)
        np.testing.assert_allclose(out["visible"], np.stack([chosen] * 2) / 100)
        np.testing.assert_array_equal(out["frame_labels"].argmax(1), chosen % 3)
        for number, seen in enumerate(shown["views"]):
            chunks = seen["audio"][: len(seen["rgb"]) * 6400].reshape(-1, 6400)
            wanted = fbank.log_mel(chunks[chosen], rows=64, mel_bins=32)
            np.testing.assert_array_equal(out["audio"][number], wanted)


def test_even_clips_are_those_of_the_formula():
    assert scenes.uniform(20, 6).tolist() == [0, 3, 6, 10, 13, 16]
    assert scenes.uniform(3, 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert scenes.uniform(1, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("length", [1, 2, 30, 69, 70, 71, 200])
def test_training_clips_are_those_of_a_slow_loop(length):
    low, high = scenes.bounds(length, 70)
    for seed in range(5):
        got = scenes.perturbed(length, 70, frames.generator(seed + 1))
        want = reference_scenes.perturbed(length, 70, frames.generator(seed + 1))
        assert got.tolist() == want
        assert (low <= got).all() and (got <= high).all() and got.max() < length
        assert (np.diff(got) >= 0).all()
    if length == 70:
        assert got.tolist() == [*range(70)]


def test_training_clips_reach_both_ends_of_every_step():
    drawn = np.stack(
        [scenes.perturbed(7, 3, frames.generator(s + 1)) for s in range(99)]
    )
    assert [sorted(set(column)) for column in drawn.T.tolist()] == [
        [0, 1, 2],
        [2, 3, 4],
        [4, 5, 6],
    ]


def test_without_perturbation_training_shows_the_even_clips():
    shown = example(20)
    even = sampled(perturb=False).draw(shown, frames.generator(1))
    np.testing.assert_array_equal(even["rgb"], sampled()(shown)["rgb"])
    drawn = sampled().draw(shown, frames.generator(1))
    assert (even["rgb"] != drawn["rgb"]).any()


def test_a_missing_camera_is_zero_and_not_present():
    shown = example(9, 8, 9, mask=[1, 0, 1], length=9)
    shown["views"] = (shown["views"][0], {"key": "k_c2"}, shown["views"][2])
    out = sampled()(shown)
    assert out["present"][:, 0].tolist() == [1, 0, 1]
    for name in ("rgb", "audio", "audible", "visible"):
        assert not out[name][1].any() and out[name][0].any(), name


def test_a_camera_without_sound_is_not_audible():
    shown = example(9, 9)
    del shown["views"][1]["audio"]
    out = sampled()(shown)
    assert out["audible"][:, 0].tolist() == [1, 0] and out["present"].all()
    assert not out["audio"][1].any() and out["audio"][0].any()
    silent = sampled()(example(9, sound=False))
    assert not silent["audible"].any() and not silent["audio"].any()


def test_what_is_held_has_its_spectrograms_and_draws_the_same_clips(monkeypatch):
    made = example(12, 14)
    made["views"] = (*made["views"], view(3, 13, sound=False))
    made["view_mask"] = np.ones(3, np.float32)
    transform = sampled()
    want = transform.draw(made, np.random.RandomState(0))
    held = Held(Mapped([made], transform.opened))
    kept = held[0]["views"]
    assert kept[0][scenes.KEPT].shape == (12, 64, 32)
    assert scenes.KEPT not in kept[2]
    monkeypatch.setattr(fbank, "log_mel", None)
    got = Drawn(held, transform).draw(0, np.random.RandomState(0))
    assert set(got) == set(want)
    for name in set(want) - {"key"}:
        np.testing.assert_array_equal(got[name], want[name])


def test_a_student_of_pictures_has_nothing_to_make_once():
    made = example(12)
    assert sampled(modalities=("rgb", "human")).opened(made) is made


def test_a_student_of_pictures_costs_no_spectrogram_and_reads_no_mask(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a spectrogram was computed")

    monkeypatch.setattr(fbank, "log_mel", refuse)
    out = sampled(modalities=("rgb",))(example(9))
    assert sorted(out) == ["frame_labels", "key", "labels", "present", "rgb"]
    with pytest.raises(AssertionError, match="was computed"):
        sampled()(example(9))


def test_only_the_frames_of_a_clip_are_decoded():
    shown = example(50)
    sampled(modalities=("rgb",))(shown)
    (asked,) = shown["views"][0]["rgb"].asked
    assert asked.tolist() == [0, 8, 16, 25, 33, 41]


def test_what_is_to_be_recognised_has_no_labels():
    shown = example(9)
    del shown["labels"], shown["frame_labels"]
    assert not {"labels", "frame_labels"} & set(sampled()(shown))


def test_pictures_are_brought_to_a_size():
    assert sampled(size=(8, 10))(example(9))["rgb"].shape == (1, 6, 8, 10, 3)
    wide = np.zeros((1, 8, 8, 3), np.uint8)
    wide[:, :, 4:, 1] = 240
    (small,) = scenes.resized(wide, (4, 4))
    assert small[:, 0].max() < 60 and (small[:, 3, 1] > 200).all()
    assert small[..., 0].max() < 30 and scenes.resized(wide, (8, 8)) is wide


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda e: e["views"][0].pop("rgb"), "k_c1 has no rgb"),
        (lambda e: e["views"][1].pop("human"), "k_c2 has no person mask"),
        (lambda e: e.update(view_mask=np.zeros(2)), "no view of k is there"),
        (
            lambda e: e.update(frame_labels=np.zeros((8, 3))),
            "k has labels of 8 frames, but its shortest view 9",
        ),
        (
            lambda e: e["views"][0].update(audio=np.ones(900, np.float32)),
            "the sound of k_c1, 900 samples for 9 frames: .*100 samples is shorter",
        ),
        (
            lambda e: e["views"][0].update(rgb=np.zeros((9, 5, 6, 3), np.uint8)),
            "the views of k have rgb of the shapes",
        ),
    ],
)
def test_what_cannot_be_shown_is_named(spoil, message):
    shown = example(9, 9)
    spoil(shown)
    with pytest.raises(DataError, match=message):
        sampled()(shown)


@pytest.mark.parametrize(
    "options",
    [
        {"frames": 0},
        {"rows": 0},
        {"size": (0, 4)},
        {"modalities": ("audio",)},
        {"modalities": ("rgb", "depth")},
    ],
)
def test_clips_that_are_none_are_refused(options):
    with pytest.raises(DataError, match="are none|are made of rgb"):
        sampled(**options)


def test_a_data_set_is_sampled_by_its_modalities():
    dataset = Dataset("d", (), {}, "coco", ("rgb", "audio"))
    made = scenes.for_dataset(dataset, frames=8, size=[4, 4])
    assert (made.modalities, made.frames, made.size) == (("rgb", "audio"), 8, (4, 4))
    assert scenes.for_dataset(dataset, modalities=["rgb"]).modalities == ("rgb",)
    with pytest.raises(DataError, match="no modality 'human'"):
        scenes.for_dataset(dataset, modalities=ALL)


def test_a_transform_survives_json():
    made = sampled(size=(4, 6), perturb=False)
    words = json.loads(json.dumps(scenes.described(made)))
    assert scenes.restored(words, ALL) == made
    assert scenes.restored(words, ("rgb",)).modalities == ("rgb",)
    assert scenes.restored({**words, "size": None}, ALL).size is None


class Shown:
    """Six examples of two cameras."""

    rows = tuple(Row(f"k{i}", (0, 1), 1) for i in range(6))

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return example(20, 22) | {"key": f"k{index}"}


def test_batches_are_a_function_of_the_seed():
    def batch(seed, source):
        (made,) = loader.make_loader(source, batch_size=6, seed=seed, epochs=1)
        return {k: v[np.argsort(made["key"])] for k, v in made.items()}

    drawn = Drawn(Shown(), sampled(modalities=("rgb",)))
    one, again, other = (batch(seed, drawn) for seed in (1, 1, 2))
    assert one["rgb"].shape == (6, 2, 6, 4, 6, 3) and one["labels"].shape == (6, 3)
    np.testing.assert_array_equal(one["rgb"], again["rgb"])
    assert (one["rgb"] != other["rgb"]).any()
    fixed = Mapped(Shown(), drawn.function)
    np.testing.assert_array_equal(batch(1, fixed)["rgb"], batch(2, fixed)["rgb"])

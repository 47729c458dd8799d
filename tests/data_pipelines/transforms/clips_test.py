"""Clips of several views: lengths, fractions, stand-ins, faults."""

import json

import numpy as np
import pytest

from data_pipelines import loader
from data_pipelines.dataset import Dataset, Row
from data_pipelines.errors import DataError
from data_pipelines.sources import Drawn, Mapped
from data_pipelines.transforms import clips, frames


def view(key, count):
    """A view whose frames hold their numbers."""
    joints = np.zeros((count, 1, 2, 3), np.float32)
    joints += np.arange(count, dtype=np.float32)[:, None, None, None]
    pixels = np.zeros((count, 4, 4, 1), np.uint8)
    pixels += np.arange(count, dtype=np.uint8)[:, None, None, None]
    return {"key": key, "joints": joints, "depth": pixels, "skeleton": joints}


def example(*counts, mask=None):
    shown = tuple(view(f"c{i}", count) for i, count in enumerate(counts))
    mask = np.ones(len(counts), np.float32) if mask is None else np.array(mask)
    ids = np.arange(len(counts), dtype=np.int32)
    named = {"key": shown[-1]["key"], "label": 3, "subject": 1}
    return {**named, "views": shown, "view_ids": ids, "view_mask": mask}


SIX = clips.Clips(lengths={"joints": 8, "depth": 6})


def numbers(clip):
    """Which frames a clip [V T ...] shows."""
    return clip.reshape(*clip.shape[:2], -1)[..., 0].astype(int)


def test_a_clip_has_the_shapes_of_the_contract():
    out = SIX(example(20, 30))
    assert sorted(out) == ["depth", "joints", "key", "label", "view_ids", "view_mask"]
    assert out["joints"].shape == (2, 8, 1, 2, 3)
    assert out["depth"].shape == (2, 6, 4, 4, 1)
    assert out["depth"].dtype == np.uint8 and out["joints"].dtype == np.float32
    assert (out["key"], out["label"]) == ("c1", 3)


def test_without_chance_the_main_view_shows_the_fixed_clips_one_after_the_other():
    ten = clips.Clips(lengths={"depth": 6}, clips=10)
    shown = numbers(ten(example(40))["depth"])[0]
    np.testing.assert_array_equal(shown, frames.fixed(40, 6, clips=10).ravel())


def test_siblings_show_the_same_fractions_and_modalities_their_own_lengths():
    out = SIX.draw(example(120, 60), frames.generator(1))
    for name in ("joints", "depth"):
        sibling, main = numbers(out[name])
        np.testing.assert_array_equal(sibling, 2 * main + 1)
    again = SIX.draw(example(120, 60), frames.generator(1))
    np.testing.assert_array_equal(again["depth"], out["depth"])


def test_a_stand_in_is_another_clip_of_the_main_view():
    filled = example(40, 40, mask=[0, 1])
    out = SIX.draw(filled, frames.generator(2))
    stand_in, main = numbers(out["depth"])
    assert (stand_in != main).any()
    edges = np.arange(7) * 40 // 6
    assert (edges[:-1] <= stand_in).all() and (stand_in < edges[1:]).all()
    assert out["view_mask"].tolist() == [0, 1]


def test_a_skeleton_is_the_main_view_s_alone():
    out = clips.Clips(lengths={"skeleton": 5})(example(9, 30))
    assert out["skeleton"].shape == (5, 1, 2, 3)
    assert out["skeleton"].max() > 9


def test_only_the_frames_of_a_clip_are_asked_for():
    asked = []

    class Lazy:
        def __len__(self):
            return 50

        def __getitem__(self, indices):
            asked.append(indices)
            return np.zeros((len(indices), 2, 2, 3), np.uint8)

    shown = example(50)
    shown["views"][0]["rgb"] = Lazy()
    out = clips.Clips(lengths={"rgb": 4})(shown)
    assert out["rgb"].shape == (1, 4, 2, 2, 3)
    assert [len(indices) for indices in asked] == [4]


def broken(**changes):
    shown = example(9, 9)
    shown["views"][0].update(changes)
    return shown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": np.full((9, 1, 2, 3), np.nan)}, "joints of c0 has values that are"),
        ({"joints": np.zeros((0, 1, 2, 3))}, "the joints of c0 is empty"),
        ({"depth": np.zeros((9, 5, 4, 1), np.uint8)}, "views of c1 have depth of the"),
    ],
)
def test_a_view_that_cannot_be_used_is_named(changes, message):
    with pytest.raises(DataError, match=message):
        SIX(broken(**changes))


def test_an_absent_modality_is_named():
    with pytest.raises(DataError, match="c0 has no rgb"):
        clips.Clips(lengths={"rgb": 4})(example(9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lengths": {}}, "are none"),
        ({"lengths": {"rgb": 0}}, "are none"),
        ({"lengths": {"rgb": 4}, "clips": 0}, "are none"),
        ({"lengths": {"rgb": 4}, "order": "x"}, "order is one of"),
    ],
)
def test_clips_that_are_none_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        clips.Clips(**options)


def test_a_data_set_is_sampled_by_its_modalities():
    dataset = Dataset("d", (), {}, "coco", ("joints", "rgb"))
    assert clips.for_dataset(dataset).lengths == {"joints": 48, "rgb": 32}
    made = clips.for_dataset(dataset, lengths={"rgb": 8}, clips=2)
    assert (made.lengths, made.clips) == ({"joints": 48, "rgb": 8}, 2)
    with pytest.raises(DataError, match="no modality 'ir'"):
        clips.for_dataset(dataset, lengths={"ir": 8})


class Shown:
    """Twelve examples of two views."""

    rows = tuple(Row(f"k{i}", i, 1) for i in range(12))

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return example(40, 50) | {"key": f"k{index}"}


def by_key(batches):
    """(key, epoch) -> its depth frames, from batches of one process."""
    return {
        (key, epoch): frame
        for epoch, batch in batches
        for key, frame in zip(batch["key"].tolist(), batch["depth"])
    }


def batches(source=None, *, first=0, count=12, **options):
    """Batches with their epochs, from a position on."""
    options = {"batch_size": 4, "seed": 3} | options
    made = loader.make_loader(source or Drawn(Shown(), SIX), **options)
    made.set_state({"next_index": first})
    steps = made.steps_per_epoch
    out = [((first + i) // steps, next(made)) for i in range(count)]
    made.close()
    return out


def same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_random_clips_are_a_function_of_the_seed_and_the_batch_s_number():
    wanted = batches(threads=0)
    for (_, one), (_, two) in zip(wanted, batches(threads=2), strict=True):
        same(one, two)
    for (_, one), (_, two) in zip(wanted[5:], batches(first=5, count=7), strict=True):
        same(one, two)
    other = by_key(batches(seed=4))
    assert any((other[k] != frame).any() for k, frame in by_key(wanted).items())


def test_every_epoch_and_example_draws_its_own_clip():
    drawn = by_key(batches())
    clips_of_k0 = {drawn["k0", epoch].tobytes() for epoch in range(4)}
    assert len(clips_of_k0) == 4
    first = {drawn[f"k{i}", 0].tobytes() for i in range(12)}
    assert len(first) == 12


def test_an_example_s_clip_does_not_depend_on_batch_size_or_process():
    wanted = by_key(batches(count=3))
    got = by_key(batches(batch_size=6, count=2))
    for index in range(2):
        part = batches(batch_size=2, process_index=index, process_count=2, count=3)
        got |= by_key(part)
    assert got.keys() == wanted.keys()
    for key, frame in wanted.items():
        np.testing.assert_array_equal(got[key], frame)


def test_an_evaluation_sees_the_same_clips_in_every_epoch():
    drawn = by_key(batches(Mapped(Shown(), SIX), count=6))
    for i in range(12):
        np.testing.assert_array_equal(drawn[f"k{i}", 0], drawn[f"k{i}", 1])
    np.testing.assert_array_equal(Drawn(Shown(), SIX)[3]["depth"], drawn["k3", 0])


def test_random_clips_are_not_cached():
    with pytest.raises(DataError, match="drawn anew in every epoch cannot be cached"):
        loader.cache(Drawn(Shown(), SIX))


def test_a_transform_survives_json():
    both = clips.Clips(lengths={"joints": 4, "depth": 3}, clips=2)
    words = json.loads(json.dumps(clips.described(both)))
    assert clips.restored(words, ("joints", "depth")) == both
    assert clips.restored(words, ("depth",)).lengths == {"depth": 3}

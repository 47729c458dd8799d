"""Frames of segments: pairs share them, whatever their lengths; faults."""

import json

import numpy as np
import pytest

from data_pipelines import loader
from data_pipelines.dataset import Dataset, Row
from data_pipelines.errors import DataError
from data_pipelines.sources import Drawn, Held, Mapped
from data_pipelines.transforms import frames, segments


def clip(count):
    """Frames that hold their numbers."""
    pixels = np.zeros((count, 4, 4, 1), np.uint8)
    return pixels + np.arange(count, dtype=np.uint8)[:, None, None, None]


def example(rgb, ir):
    view = {"key": "a", "rgb": clip(rgb), "ir": clip(ir)}
    ids, mask = np.zeros(1, np.int32), np.ones(1, np.float32)
    named = {"key": "a", "label": 3, "subject": 1}
    return {**named, "views": (view,), "view_ids": ids, "view_mask": mask}


PAIR = segments.Segments(names=("rgb", "ir"), count=4)


def numbers(shown):
    return shown[0, :, 0, 0, 0].astype(int)


def test_the_middles_of_the_segments_without_chance():
    out = PAIR(example(40, 40))
    assert sorted(out) == ["ir", "key", "label", "rgb", "view_ids", "view_mask"]
    assert out["rgb"].shape == (1, 4, 4, 4, 1)
    assert (
        numbers(out["rgb"]).tolist() == numbers(out["ir"]).tolist() == [5, 15, 25, 35]
    )


def test_pairs_share_what_is_drawn_as_fractions_of_their_lengths():
    seen = set()
    for seed in range(20):
        out = PAIR.draw(example(120, 60), frames.generator(seed))
        ours, theirs = numbers(out["rgb"]), numbers(out["ir"])
        assert (ours // 30).tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(theirs, ours // 2)
        seen.add(tuple(ours))
    assert len(seen) == 20


def test_nothing_is_drawn_where_the_middles_are_wanted():
    still = segments.Segments(names=("rgb", "ir"), count=4, middle=True)
    got = still.draw(example(120, 60), frames.generator(3))
    assert numbers(got["rgb"]).tolist() == [15, 45, 75, 105]


def test_fewer_frames_than_segments_are_repeated_in_order():
    out = segments.Segments(names=("rgb",), count=8)(example(3, 3))
    assert numbers(out["rgb"]).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    drawn = segments.Segments(names=("rgb",), count=8)
    out = drawn.draw(example(1, 1), frames.generator(0))
    assert numbers(out["rgb"]).tolist() == [0] * 8  # rounding may reach past the end
    first = segments.Segments(names=("rgb",), count=8, short="first")
    assert numbers(first(example(5, 5))["rgb"]).tolist() == [0] * 8


def test_an_absent_or_empty_modality_is_named():
    with pytest.raises(DataError, match="the ir of a is empty"):
        PAIR(example(9, 0))
    whole = example(9, 9)
    del whole["views"][0]["ir"]
    with pytest.raises(DataError, match="a has no ir"):
        PAIR(whole)


@pytest.mark.parametrize(
    "options", [dict(count=0), dict(names=()), dict(short="middle")]
)
def test_options_that_are_none_are_refused(options):
    with pytest.raises(DataError):
        segments.Segments(**{"names": ("rgb",), **options})


class Source:
    """Two recordings; it counts how often they are read."""

    def __init__(self):
        self.read, self.rows = 0, [Row("a", 3, 1), Row("a", 3, 1)]

    def __len__(self):
        return 2

    def __getitem__(self, index):
        self.read += 1
        return example(30 + index, 30)


def test_a_data_set_is_sampled_and_the_transform_survives_a_file():
    dataset = Dataset("pairs", ("x",) * 4, {"train": Source()}, "coco", ("rgb", "ir"))
    transform = segments.for_dataset(dataset, count=5)
    assert transform.names == ("rgb", "ir")
    kept = json.loads(json.dumps(segments.described(transform)))
    assert segments.restored(kept, ("rgb", "ir")) == transform
    assert segments.restored(kept, ("ir",)).names == ("ir",)
    with pytest.raises(DataError, match="no modality 'depth'"):
        segments.for_dataset(dataset, names=("depth",))


def test_examples_held_in_memory_are_read_once_and_drawn_alike():
    source = Source()
    held = Drawn(Held(source), PAIR)
    for _ in range(3):
        got = loader.gather(held, np.arange(2), seed=(1,))
    want = loader.gather(Drawn(Source(), PAIR), np.arange(2), seed=(1,))
    assert source.read == 2
    np.testing.assert_array_equal(got["rgb"], want["rgb"])
    again = loader.gather(held, np.arange(2), seed=(2,))
    assert (again["rgb"] != got["rgb"]).any()
    assert [row.key for row in held.rows] == ["a", "a"]
    whole = Mapped(held.source, PAIR)[1]
    np.testing.assert_array_equal(whole["rgb"], PAIR(source[1])["rgb"])

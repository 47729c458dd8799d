"""Sources made of others: changed, drawn anew, with further fields, kept in memory."""

import pickle

import numpy as np

from data_pipelines.dataset import Row, rows
from data_pipelines.sources import Drawn, Held, Mapped, With, fixed

ROWS = [Row("x", 0, 1), Row("y", 1, 3), Row("z", 0, 3)]


class Examples:
    """Examples of two views each, read by index; it counts how often."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        self.read += 1
        view = {"key": ROWS[index].key, "frames": Frames()}
        return ROWS[index]._asdict() | {"views": (view, view)}


class Frames:
    """What a video is until its frames are asked for."""

    def __len__(self):
        return 4

    def __getitem__(self, indices):
        return 10 * np.asarray(indices)


class Noise:
    """A function that draws; without chance it adds nothing."""

    def __call__(self, example):
        return example | {"noise": 0.0}

    def draw(self, example, rng):
        return example | {"noise": rng.uniform()}


def upper(example):
    return example | {"key": example["key"].upper()}


def test_a_mapped_source_applies_its_function_and_pickles():
    source = pickle.loads(pickle.dumps(Mapped(Examples(), upper)))
    assert [source[i]["key"] for i in range(len(source))] == ["X", "Y", "Z"]
    assert rows(source) == ROWS


def test_a_drawn_source_is_fixed_unless_it_is_drawn():
    source = Drawn(Examples(), Noise())
    assert source[1]["noise"] == 0.0
    first, again, other = (
        source.draw(1, np.random.RandomState(seed))["noise"] for seed in (0, 0, 1)
    )
    assert first == again != other
    assert fixed(source)[1]["noise"] == 0.0 and not hasattr(fixed(source), "draw")


def test_further_fields_come_with_the_examples_however_they_are_read():
    fields = {"logits": np.arange(6.0).reshape(3, 2)}
    plain, drawn = With(Examples(), fields), With(Drawn(Examples(), Noise()), fields)
    for example in (plain[2], drawn.draw(2, np.random.RandomState(0)), drawn[2]):
        np.testing.assert_array_equal(example["logits"], [4.0, 5.0])
    assert not hasattr(plain, "draw") and not hasattr(fixed(drawn), "draw")
    assert fixed(drawn)[2]["noise"] == 0.0 and "logits" in fixed(drawn)[2]
    assert not hasattr(plain, "nothing")
    assert rows(drawn) == ROWS


def test_a_held_source_reads_once_and_keeps_frames_of_a_shared_view_once():
    examples = Examples()
    source = Held(examples)
    first, again = source[1], source[1]
    assert examples.read == 1 and first is again
    one, two = first["views"]
    assert one is two
    np.testing.assert_array_equal(one["frames"], [0, 10, 20, 30])
    assert rows(source) == ROWS

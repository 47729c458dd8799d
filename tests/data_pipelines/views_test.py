"""Views of one performance: paired by key, filled, the main one last."""

import re

import numpy as np
import pytest

from data_pipelines import views
from data_pipelines.dataset import Dataset, Row
from data_pipelines.errors import DataError


class Recordings:
    """Recordings by key, each holding its own key."""

    def __init__(self, *keys):
        self.keys = keys

    def __len__(self):
        return len(self.keys)

    def __getitem__(self, index):
        return self.rows[index]._asdict() | {"x": np.full(3, index)}

    @property
    def rows(self):
        return [Row(key, ord(key[0]) - ord("a"), 1) for key in self.keys]


def place(key):
    name, camera = re.fullmatch(r"(\w)(\d)", key).groups()
    return views.Place(name, int(camera))


def shown(grouped):
    """Keys of the views, their cameras and mask, of every example."""
    return [
        (
            " ".join(view["key"] for view in example["views"]),
            example["view_ids"].tolist(),
            example["view_mask"].tolist(),
        )
        for example in (grouped[i] for i in range(len(grouped)))
    ]


def test_every_recording_is_the_main_view_once_whatever_their_order():
    keys = ("b2", "a1", "a3", "b1", "a2")
    found = shown(views.group(Recordings(*keys), place, views=3))
    assert found == [
        ("b2 b1 b2", [2, 1, 2], [0, 1, 1]),
        ("a2 a3 a1", [2, 3, 1], [1, 1, 1]),
        ("a1 a2 a3", [1, 2, 3], [1, 1, 1]),
        ("b1 b2 b1", [1, 2, 1], [0, 1, 1]),
        ("a1 a3 a2", [1, 3, 2], [1, 1, 1]),
    ]


def test_a_fixed_main_view_is_the_last_camera_of_each_performance():
    source = Recordings("a3", "b1", "a1", "c2", "b2")
    found = shown(views.group(source, place, views=2, main_view="fixed_last"))
    assert found == [
        ("a1 a3", [1, 3], [1, 1]),
        ("c2 c2", [2, 2], [0, 1]),
        ("b1 b2", [1, 2], [1, 1]),
    ]


def test_more_cameras_than_views_leave_the_last_others_out():
    source = Recordings("a1", "a2", "a3", "a4")
    found = shown(views.group(source, place, views=2))
    assert [keys for keys, *_ in found] == ["a2 a1", "a1 a2", "a1 a3", "a1 a4"]
    one = views.group(source, place, views=1)
    assert [keys for keys, *_ in shown(one)] == ["a1", "a2", "a3", "a4"]


def test_an_example_is_named_by_its_main_view():
    grouped = views.group(Recordings("b2", "b1"), place, views=2)
    assert grouped.rows == [Row("b2", 1, 1), Row("b1", 1, 1)]
    example = grouped[1]
    assert (example["key"], example["label"], example["subject"]) == ("b1", 1, 1)
    assert example["view_ids"].dtype == np.int32
    assert example["view_mask"].dtype == np.float32


def test_a_recording_is_read_once_an_example():
    class Counted(Recordings):
        reads = 0

        def __getitem__(self, index):
            self.reads += 1
            return super().__getitem__(index)

    source = Counted("a1", "a2")
    views.group(source, place, views=4)[0]
    assert source.reads == 2


def test_the_test_split_is_every_recording_by_itself():
    splits = {"train": Recordings("a1", "a2"), "test": Recordings("c1", "c2")}
    dataset = Dataset("d", ("a", "b", "c"), splits, "coco", ("x",))
    made = views.grouped(dataset, place, views=2, main_view="fixed_last").splits
    assert [keys for keys, *_ in shown(made["train"])] == ["a1 a2"]
    assert [keys for keys, *_ in shown(made["test"])] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("keys", "options", "message"),
    [
        (("a1", "a1"), {}, "a1: a second recording of camera 1"),
        (("a1",), {"views": 0}, "at least 1 view, not 0"),
        (("a1",), {"main_view": "first"}, "each or fixed_last, not 'first'"),
    ],
)
def test_what_cannot_be_grouped_is_refused(keys, options, message):
    with pytest.raises(DataError, match=message):
        views.group(Recordings(*keys), place, **({"views": 2} | options))

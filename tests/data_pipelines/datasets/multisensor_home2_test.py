"""The second home: kept apart from the first one in one folder."""

import pytest

from data_pipelines.datasets import multisensor_home, multisensor_home2
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from tests.data_pipelines import scene_files


def test_two_homes_are_prepared_side_by_side(tmp_path):
    for name, label in (("multisensor_home", "Eat"), ("multisensor_home2", "Sing")):
        entries = [
            scene_files.clip_entry(1, n, [(label, 0.0, 0.4)], views=1) for n in range(2)
        ]
        raw_dir = tmp_path / f"{name}_raw"
        scene_files.home(raw_dir, entries, seconds=0.8, sound=False)
        prepare(name, raw_dir=raw_dir, data_dir=tmp_path, short_side=16)
    first = multisensor_home.load(data_dir=tmp_path, modalities=("rgb",))
    second = multisensor_home2.load(data_dir=tmp_path, modalities=("rgb",))
    assert (first.name, first.classes) == ("multisensor_home", ("Eat",))
    assert (second.name, second.classes) == ("multisensor_home2", ("Sing",))


def test_what_is_not_prepared_names_the_command(tmp_path):
    with pytest.raises(DataError, match="prepare --dataset=multisensor_home2"):
        multisensor_home2.load(data_dir=tmp_path)

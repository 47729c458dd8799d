"""Prepared data sets: found, opened, damaged, pickled."""

import json
import pickle

import pytest

from data_pipelines import loader, stored
from data_pipelines.datasets import utd_mhad
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from data_pipelines.sources import Mapped
from data_pipelines.transforms import align
from tests.data_pipelines import raw_files


@pytest.fixture
def data_dir(tmp_path):
    raw_files.utd(tmp_path / "raw")
    prepare("utd_mhad", raw_dir=tmp_path / "raw", data_dir=tmp_path / "data")
    return tmp_path / "data"


def test_the_home_of_data_is_asked_for_in_turn(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KDJAX_DATA_HOME", raising=False)
    assert stored.data_home() == tmp_path / "kdjax_data"
    monkeypatch.setenv("KDJAX_DATA_HOME", str(tmp_path / "env"))
    assert stored.data_home() == tmp_path / "env"
    assert stored.data_home(tmp_path / "named") == tmp_path / "named"
    assert stored.data_home("~/mine") == tmp_path / "mine"


def test_what_is_not_prepared_names_the_command(tmp_path):
    with pytest.raises(DataError) as caught:
        utd_mhad.load(data_dir=tmp_path)
    assert str(caught.value) == (
        f"utd_mhad is not prepared in {tmp_path}; run: python -m "
        f"data_pipelines.prepare --dataset=utd_mhad --raw_dir=RAW_FOLDER "
        f"--data_dir={tmp_path}"
    )


@pytest.mark.parametrize(
    "name", ["dataset_info.json", "features.json", "metadata.json", "report.json"]
)
def test_a_build_that_lost_a_file_is_refused(data_dir, name):
    (data_dir / "utd_mhad/1.0.0" / name).unlink()
    with pytest.raises(DataError, match="is not a complete build .*prepare utd_mhad"):
        utd_mhad.load(data_dir=data_dir)


def test_a_build_that_lost_its_records_is_refused(data_dir):
    (records,) = (data_dir / "utd_mhad/1.0.0").glob("*.array_record*")
    records.unlink()
    with pytest.raises(DataError, match="is not a complete build"):
        utd_mhad.load(data_dir=data_dir)


def test_truncated_records_are_refused(data_dir):
    (records,) = (data_dir / "utd_mhad/1.0.0").glob("*.array_record*")
    # The file is padded to whole blocks: cut into what it holds.
    records.write_bytes(records.read_bytes()[:5000])
    with pytest.raises(DataError, match="is not a complete build"):
        utd_mhad.load(data_dir=data_dir)


def test_an_index_of_other_records_is_refused(data_dir):
    path = data_dir / "utd_mhad/1.0.0/metadata.json"
    document = json.loads(path.read_text())
    document["index"] = document["index"][::-1]
    path.write_text(json.dumps(document))
    splits = utd_mhad.load(data_dir=data_dir, strict=False).splits
    with pytest.raises(DataError, match="record 0 is a1_s1_t1, not a2_s2_t2"):
        splits["test"][0]
    document["index"] = document["index"][1:]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="holds 8 records of 7"):
        utd_mhad.load(data_dir=data_dir, strict=False)


def test_a_source_pickles_as_a_name(data_dir):
    source = utd_mhad.load(data_dir=data_dir, strict=False).splits["train"]
    document = pickle.dumps(source)
    assert len(document) < 2000
    assert pickle.loads(document)[1]["key"] == source[1]["key"]


def test_from_raw_files_to_batches(data_dir):
    dataset = utd_mhad.load(data_dir=data_dir, strict=False)
    train = dataset.splits["train"]
    fitted = align.standardised(align.for_dataset(dataset, length=16), train)
    source = loader.cache(Mapped(train, fitted))
    (batch,) = loader.make_loader(source, batch_size=4, seed=0, epochs=1)
    assert {name: array.shape for name, array in batch.items()} == {
        "key": (4,),
        "label": (4,),
        "mask": (4,),
        "skeleton": (4, 16, 1, 20, 3),
        "inertial": (4, 16, 3),
    }
    assert sorted(batch["label"].tolist()) == [0, 0, 1, 1]


def test_random_halves_never_change():
    # Ranks of the first raw outputs of PCG64(0), NumPy 2.4.
    assert stored.random_half(7, seed=0) == [
        False,
        True,
        True,
        True,
        False,
        False,
        True,
    ]
    halves = stored.random_half(861, seed=3)
    assert (sum(halves), len(halves)) == (431, 861)

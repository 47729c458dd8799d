"""Ten actions of NTU RGB+D in two spectra: pairs by name, protocols, faults."""

import numpy as np
import pytest

from data_pipelines import ntu_names
from data_pipelines.dataset import rows
from data_pipelines.datasets import ntu_infrared
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from data_pipelines.transforms import segments
from tests.data_pipelines import raw_files

# Subject 1 trains and subject 3 tests; A011 is no action of the ten.
NAMES = (
    *("S001C001P001R001A001", "S001C002P001R001A001", "S001C003P001R002A010"),
    *("S001C001P003R001A001", "S001C002P003R001A004", "S001C001P001R001A011"),
)


@pytest.fixture
def raw_dir(tmp_path):
    return raw_files.ntu_infrared(tmp_path / "raw", NAMES)


@pytest.fixture
def data_dir(raw_dir, tmp_path):
    prepare("ntu_infrared", raw_dir=raw_dir, data_dir=tmp_path / "data")
    return tmp_path / "data"


def file(raw_dir, name, modality="ir"):
    return raw_dir / f"nturgb+d_{modality}" / f"{name}_{modality}.avi"


def build(raw_dir, data_dir):
    return prepare("ntu_infrared", raw_dir=raw_dir, data_dir=data_dir, max_skipped=0.9)


def load(data_dir, **options):
    return ntu_infrared.load(data_dir=data_dir, strict=False, **options)


def test_the_published_sizes_are_those_of_the_names():
    every = [n for n in map(ntu_names.parse, ntu_names.every_name(range(1, 18)))]
    ten = [name for name in every if name.action <= 10]
    for protocol, sizes in ntu_infrared.SIZES.items():
        train = sum(ntu_names.trains(name, f"ntu60_{protocol}") for name in ten)
        assert (train, len(ten) - train) == sizes


def test_pairs_of_the_ten_actions_are_kept_and_split(data_dir):
    dataset = load(data_dir)
    assert dataset.classes == ntu_infrared.CLASSES and len(dataset.classes) == 10
    found = {name: [row.key for row in rows(s)] for name, s in dataset.splits.items()}
    assert found == {"train": list(NAMES[:3]), "test": list(NAMES[3:5])}
    assert [row.label for row in rows(dataset.splits["train"])] == [0, 0, 9]
    by_camera = load(data_dir, protocol="cview").splits["test"]
    assert [row.key for row in rows(by_camera)] == [NAMES[0], NAMES[3]]


def test_what_is_read_back_is_what_was_filmed_each_in_its_own_size(data_dir):
    example = load(data_dir).splits["train"][0]
    (view,) = example["views"]
    colour, infrared = view["rgb"][np.arange(20)], view["ir"][np.arange(18)]
    assert colour.shape == (20, 36, 64, 3) and infrared.shape == (18, 40, 48, 1)
    assert raw_files.numbers_shown(colour).tolist() == list(range(20))
    assert raw_files.numbers_shown(infrared).tolist() == list(range(18))


def test_segments_of_a_pair_lie_at_the_same_fractions(data_dir):
    dataset = load(data_dir)
    sampled = segments.for_dataset(dataset, count=4)(dataset.splits["train"][0])
    assert sampled["ir"].shape == (1, 4, 40, 48, 1)
    assert raw_files.numbers_shown(sampled["rgb"][0]).tolist() == [2, 7, 12, 17]
    assert raw_files.numbers_shown(sampled["ir"][0]).tolist() == [2, 6, 11, 15]


def test_faults_are_counted_and_named(raw_dir, tmp_path):
    file(raw_dir, NAMES[0]).unlink()
    file(raw_dir, NAMES[1], "rgb").write_bytes(b"")
    clip = np.zeros((60, 24, 32, 3), np.uint8)
    raw_files.write_avi(file(raw_dir, NAMES[3]), clip + 90)
    raw_files.write_avi(file(raw_dir, "S001C001P008R001A002"), clip + 60)
    raw_files.write_avi(file(raw_dir, "S001C001P099R001A002"), clip + 50)
    report = build(raw_dir, tmp_path / "d")
    assert f"{NAMES[0]}: no ir file" in report
    assert f"{NAMES[1]}_rgb.avi: the file is empty (0 bytes)" in report
    assert f"{NAMES[3]}_ir.avi: 60 frames, but the video in colour has 20" in report
    assert "S001C001P008R001A002: no rgb file" in report
    assert "S001C001P099R001A002: NTU RGB+D has no such recording" in report
    assert "kept 2 of" in report


def test_fewer_frames_than_segments_are_noted_with_the_name(raw_dir, tmp_path):
    for modality in ("rgb", "ir"):
        clip = np.random.default_rng(0).integers(60, 200, (5, 24, 32, 3)).astype("u1")
        raw_files.write_avi(file(raw_dir, NAMES[0], modality), clip + len(modality))
    report = build(raw_dir, tmp_path / "d")
    assert f"{NAMES[0]}_ir.avi: 5 frames, fewer than 8 segments" in report
    example = load(tmp_path / "d").splits["train"][0]
    sampled = segments.Segments(names=ntu_infrared.MODALITIES)(example)
    assert sampled["rgb"].shape[1] == sampled["ir"].shape[1] == 8


def test_another_size_than_the_published_one_is_refused(data_dir):
    with pytest.raises(DataError, match="6720 and 2760"):
        ntu_infrared.load(data_dir=data_dir)


@pytest.mark.parametrize(
    ("options", "message"),
    [(dict(protocol="cset"), "protocols"), (dict(modalities=("depth",)), "rgb and ir")],
)
def test_options_that_are_none_are_refused(data_dir, options, message):
    with pytest.raises(DataError, match=message):
        load(data_dir, **options)


def test_a_pair_is_read_for_prediction(raw_dir):
    example = ntu_infrared.read_recording(
        [file(raw_dir, NAMES[1], modality) for modality in ("rgb", "ir")]
    )
    assert example["view_ids"].tolist() == [2]
    (view,) = example["views"]
    assert view["ir"][np.arange(2)].shape == (2, 40, 48, 1)
    with pytest.raises(DataError, match="is not of the recording"):
        ntu_infrared.read_recording(
            [file(raw_dir, NAMES[0]), file(raw_dir, NAMES[1], "rgb")]
        )
    clip = np.full((60, 24, 32, 3), 90, np.uint8)
    raw_files.write_avi(file(raw_dir, NAMES[2]), clip)
    pair = [file(raw_dir, NAMES[2], modality) for modality in ("rgb", "ir")]
    with pytest.raises(DataError, match="its infrared video has 60 frames, but"):
        ntu_infrared.read_recording(pair)
    with pytest.raises(DataError, match=r"neither an _rgb\.avi nor"):
        ntu_infrared.read_recording([raw_dir / "S001C001P001R001A001.avi"])
    with pytest.raises(DataError, match="or both"):
        ntu_infrared.read_recording([])

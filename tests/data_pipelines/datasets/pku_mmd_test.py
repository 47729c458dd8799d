"""PKU-MMD: chunks, trimmed actions, windows, protocols."""

import pickle

import numpy as np
import pytest

from data_pipelines import loader, stored
from data_pipelines.dataset import rows
from data_pipelines.datasets import pku_mmd
from data_pipelines.errors import DataError
from data_pipelines.sources import Drawn
from data_pipelines.transforms import clips
from tests.data_pipelines import raw_files
from tests.data_pipelines.pku_videos import NAMES, build, keys, load, small, videos

SHORT = ("0291-M", ["1,20,50,1", "9,120,131,2"])
"""Of 130 colour and 126 infrared frames: its second action is cut short."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder of prepared videos, which no test changes."""
    folder = tmp_path_factory.mktemp("pku")
    raw_files.pku_mmd(folder / "raw", NAMES)
    raw_files.write_pku(folder / "raw", *SHORT, rgb=130, ir=126)
    report = build(folder / "raw", folder)
    assert "pku_mmd: kept 6 of 6 recordings" in report
    assert "  rgb: kept 6 of 6\n  ir: kept 6 of 6\n  skipped: 0" in report
    assert "0291-M.txt: line 2 reaches 5 frames past the video" in report
    return folder


def shown(source, key, modality):
    """The numbers of all frames of an example, and their shape."""
    (view,) = source[keys(source).index(key)]["views"]
    frames = view[modality][np.arange(len(view[modality]))]
    assert frames.dtype == np.uint8
    return raw_files.numbers_shown(frames).tolist(), frames.shape[1:]


def test_an_example_is_one_action_in_frames_of_the_same_numbers(data_dir):
    dataset = load(data_dir)
    assert (dataset.name, dataset.topology) == ("pku_mmd", "kinect_v2")
    assert dataset.modalities == ("rgb", "ir") and len(dataset.classes) == 51
    train = dataset.splits["train"]
    first, second, *_ = rows(train)
    assert first == ("0002-M_i00", 3, 2) and second == ("0002-M_i01", 50, 2)
    for key, frames in (("0002-M_i00", (10, 40)), ("0002-M_i01", (60, 131))):
        assert shown(train, key, "rgb") == ([*range(*frames)], (36, 64, 3))
        assert shown(train, key, "ir") == ([*range(*frames)], (40, 48, 1))
    cameras = {e["key"][5]: e["view_ids"].tolist() for e in (train[0], train[2])}
    assert cameras == {"M": [1], "R": [2]}
    assert train[0]["view_mask"].tolist() == [1]


def test_what_is_read_back_is_what_was_filmed(data_dir):
    (view,) = load(data_dir).splits["train"][0]["views"]
    grey = ((20, 20, 20), (220, 220, 220))
    colour = raw_files.numbered(40, size=(36, 64))[10:, :24]
    # JPEG at half the resolution of colours, twice over: the edges of bars suffer.
    error = np.abs(view["rgb"][np.arange(30)][:, :24] - colour.astype(int))
    assert error.mean() < 12
    seen = raw_files.numbered(40, size=(40, 48), colours=grey)[10:, :24, :, :1]
    error = np.abs(view["ir"][np.arange(30)][:, :24] - seen.astype(int))
    assert error.mean() < 6


def test_an_action_ends_with_the_shorter_video(data_dir):
    train = load(data_dir).splits["train"]
    for modality in ("rgb", "ir"):
        assert shown(train, "0291-M_i01", modality)[0] == [*range(120, 126)]


def test_the_last_frame_of_a_label_may_belong_to_the_action(data_dir):
    train = load(data_dir, end_inclusive=True).splits["train"]
    assert shown(train, "0002-M_i01", "ir")[0] == [*range(60, 132)]
    assert shown(train, "0291-M_i01", "rgb")[0] == [*range(120, 126)]


def test_only_the_records_of_the_frames_asked_for_are_read(data_dir, monkeypatch):
    read, original = [], stored.Records.__getitem__

    def counting(self, index):
        read.append(self.entries[index]["key"])
        return original(self, index)

    monkeypatch.setattr(stored.Records, "__getitem__", counting)
    train = load(data_dir).splits["train"]
    (view,) = train[1]["views"]
    assert read == []
    for modality in ("rgb", "ir"):
        view[modality][np.array([3, 70])]
    # Frames 63 and 130; a record holds both modalities and is read once.
    assert read == ["0002-M_0000", "0002-M_0002"]


def test_one_modality_may_do(data_dir):
    dataset = load(data_dir, modalities=("ir",))
    (view,) = dataset.splits["test"][0]["views"]
    assert dataset.modalities == ("ir",) and "rgb" not in view
    assert len(view["ir"]) == 30


def test_without_split_files_the_rule_decides(data_dir):
    assert videos(load(data_dir)) == {
        "train": ["0002-M", "0002-R", "0003-M", "0291-M"],
        "test": ["0002-L", "0291-L"],
    }
    assert videos(load(data_dir, protocol="csub")) == {
        "train": ["0002-L", "0002-M", "0002-R", "0003-M"],
        "test": ["0291-L", "0291-M"],
    }


def test_held_out_videos_take_all_their_cameras(data_dir):
    dataset = load(data_dir, holdout=[2])
    assert videos(dataset) == {
        "train": ["0003-M", "0291-M"],
        "val": ["0002-M", "0002-R"],
        "test": ["0002-L", "0291-L"],
    }


def test_windows_slide_over_the_test_videos(data_dir):
    dataset = load(data_dir, windows=((64, 64), (64, 32), (300, 9)), holdout=[3])
    windows = dataset.splits["windows"]
    one = [key for key in keys(windows) if key.startswith("0002-L")]
    assert one == [
        "0002-L_w000000_000064",
        "0002-L_w000000_000200",
        "0002-L_w000032_000096",
        "0002-L_w000064_000128",
        "0002-L_w000096_000160",
        "0002-L_w000128_000192",
        "0002-L_w000136_000200",
    ]
    assert {key[:6] for key in keys(windows)} == {"0002-L", "0291-L"}
    assert {row.label for row in rows(windows)} == {0}
    assert shown(windows, one[2], "rgb")[0] == [*range(32, 96)]
    assert shown(windows, one[2], "ir")[0] == [*range(32, 96)]
    assert "windows" not in load(data_dir).splits


def test_windows_that_are_none_are_refused(data_dir):
    with pytest.raises(DataError, match="windows of 64 frames every 0 are none"):
        load(data_dir, windows=((64, 0),))


def test_true_actions_are_those_of_the_test_videos_as_labelled(data_dir):
    truth = pku_mmd.ground_truth(data_dir=data_dir, protocol="csub")
    # Three times the number of the video, and its camera.
    assert truth.tolist() == [
        [4, 10, 40, 873],
        [51, 60, 131, 873],
        [1, 20, 50, 874],
        [9, 120, 131, 874],
    ]
    assert truth.dtype == np.int64


def test_from_raw_files_to_batches(data_dir):
    dataset = load(data_dir)
    sample = clips.for_dataset(dataset, lengths={"rgb": 4, "ir": 4})
    source = Drawn(dataset.splits["train"], sample)
    (batch,) = loader.make_loader(
        pickle.loads(pickle.dumps(source)), batch_size=8, seed=0, epochs=1
    )
    assert batch["rgb"].shape == (8, 1, 4, 36, 64, 3)
    assert batch["ir"].shape == (8, 1, 4, 40, 48, 1)
    assert sorted(set(batch["label"].tolist())) == [0, 3, 8, 50]


def test_the_first_chunk_says_what_is_known_of_the_video(data_dir):
    index = stored.open_built("pku_mmd", data_dir).index
    mine = [entry for entry in index if entry["video"] == "0291-M"]
    assert [(e["key"], e["start"]) for e in mine] == [
        ("0291-M_0000", 0),
        ("0291-M_0001", 64),
        ("0291-M_0002", 128),
    ]
    first = mine[0]
    assert first["instances"] == [[1, 20, 50], [9, 120, 131]]
    assert first["frames"] == {"rgb": 130, "ir": 126}
    assert first["sides"] == {"cview": "train", "csub": "test"}
    assert all("instances" not in entry for entry in mine[1:])


def test_frames_are_stored_with_the_short_side_that_is_asked_for(tmp_path):
    build(small(tmp_path / "raw"), tmp_path / "d", short_side=20)
    train = load(tmp_path / "d").splits["train"]
    (view,) = train[0]["views"]
    assert view["rgb"][np.array([0])].shape == (1, 20, 36, 3)
    assert view["ir"][np.array([0])].shape == (1, 20, 24, 1)


def test_other_numbers_of_videos_than_the_published_ones_are_refused(data_dir):
    with pytest.raises(DataError, match="4 training and 2 test videos, .* 717 and 359"):
        pku_mmd.load(data_dir=data_dir)
    with pytest.raises(DataError, match="4 training and 2 test videos, .* 944 and 132"):
        pku_mmd.load(data_dir=data_dir, protocol="csub")


def test_recordings_are_read_for_prediction(tmp_path):
    raw_dir = small(tmp_path / "raw")
    paths = [raw_dir / folder / "0002-R.avi" for folder in ("RGB_VIDEO", "IR_VIDEO")]
    example = pku_mmd.read_recording(paths)
    assert (example["key"], example["view_ids"].tolist()) == ("0002-R", [2])
    (view,) = example["views"]
    for modality, shape in (("rgb", (36, 64, 3)), ("ir", (40, 48, 1))):
        assert len(view[modality]) == 70
        frames = view[modality][np.array([64, 2])]
        assert frames.shape == (2, *shape)
        assert raw_files.numbers_shown(frames).tolist() == [64, 2]
    clip = raw_files.numbered(5, size=(36, 64))
    other = raw_files.write_avi(tmp_path / "hall_ir.avi", clip)
    example = pku_mmd.read_recording([other])
    assert (example["key"], example["view_ids"].tolist()) == ("hall", [0])
    assert example["views"][0]["ir"][np.array([0])].shape == (1, 36, 64, 1)

"""MultiSensor-Home: from raw files to examples and batches, splits, faults."""

import json
import pickle

import numpy as np
import pytest

from data_pipelines import fbank, loader, people, stored
from data_pipelines.dataset import rows
from data_pipelines.datasets import multisensor_home
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from data_pipelines.sources import Drawn, Mapped
from data_pipelines.transforms import scenes
from tests.data_pipelines import raw_files, scene_files
from tests.data_pipelines.scene_files import clip_entry, write_labels

EAT, DRINK, READ = ("Eat", 0.4, 1.6), ("Drink", 1.0, 3.2), ("ReadBook", 2.4, 9.0)
ENTRIES = [
    clip_entry(1, 0, [EAT, DRINK]),
    clip_entry(1, 1, [READ], part=2),
    clip_entry(2, 2, [DRINK, EAT]),
]
SECONDS = 4.0


def build(raw_dir, data_dir, **options):
    options = {"max_skipped": 0.9, "short_side": 32, **options}
    return prepare("multisensor_home", raw_dir=raw_dir, data_dir=data_dir, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Raw and prepared files of a home with split files, which no test changes."""
    folder = tmp_path_factory.mktemp("home")
    split = {"train": ENTRIES[::2], "test": ENTRIES[1:2]}
    scene_files.home(folder / "raw", ENTRIES, seconds=SECONDS, **split)
    report = build(folder / "raw", folder)
    assert "multisensor_home: kept 3 of 3 recordings" in report
    assert "  view5: kept 3 of 3\n  skipped: 0" in report
    assert "ReadBook from 2.4 to 9 s reaches past the clip of 4 s and is cut" in report
    masks = folder / "raw" / people.FOLDER
    masks.mkdir()
    for number, clip in enumerate(("01_00_Part1", "01_01_Part2", "02_02_Part1")):
        values = np.arange(50).reshape(5, 10) + 100 * number
        people.write(masks / f"{clip}.npz", values)
    return folder


@pytest.fixture
def small(tmp_path):
    """A home of two short clips of two cameras, of which a test spoils something."""
    entries = [clip_entry(1, n, [("Eat", 0.0, 0.8)], views=2) for n in range(2)]
    return scene_files.home(tmp_path / "raw", entries, seconds=0.8)


def load(folder, **options):
    return multisensor_home.load(data_dir=folder, **options)


def keys(dataset):
    return {
        name: [row.key for row in rows(split)] for name, split in dataset.splits.items()
    }


def test_the_official_split_and_the_classes_of_the_labels(folder):
    dataset = load(folder)
    assert (dataset.name, dataset.classes) == (
        "multisensor_home",
        ("Drink", "Eat", "ReadBook"),
    )
    assert dataset.modalities == ("rgb", "audio")
    assert keys(dataset) == {
        "train": ["01_00_Part1", "02_02_Part1"],
        "test": ["01_01_Part2"],
    }
    train = [tuple(row) for row in rows(dataset.splits["train"])]
    assert train == [("01_00_Part1", (0, 1), 1), ("02_02_Part1", (0, 1), 2)]


def test_an_example_has_all_cameras_in_their_order(folder):
    example = load(folder).splits["train"][0]
    assert example["view_ids"].tolist() == [1, 2, 3, 4, 5]
    assert example["view_mask"].tolist() == [1] * 5
    for number, view in enumerate(example["views"], 1):
        frames = view["rgb"][np.arange(10)]
        # Every fourth of ten a second.
        assert len(view["rgb"]) == 10 and frames.shape == (10, 32, 32, 3)
        assert raw_files.numbers_shown(frames).tolist() == [*range(0, 40, 4)]
        wave = view["audio"]
        assert wave.dtype == np.float32 and abs(len(wave) - 4 * 16000) < 1500
        chunks = wave[:64000].reshape(10, 6400)
        assert scene_files.chunks_heard(chunks).tolist() == [*range(10)]
        # Each camera of the test files is louder than the one before.
        np.testing.assert_allclose(chunks[4].std(), 0.1 * number / 2**0.5, rtol=0.1)


def test_labels_are_those_of_the_files(folder):
    example = load(folder).splits["train"][0]
    assert example["label"] == (0, 1) and example["labels"].tolist() == [1, 1, 0]
    assert example["frame_labels"].shape == (10, 3)
    # 0.4 to 1.6 s are the frames 1 to 4, 1.0 to 3.2 s those from 2.5, rounded, to 8.
    assert np.flatnonzero(example["frame_labels"][:, 1]).tolist() == [1, 2, 3, 4]
    assert np.flatnonzero(example["frame_labels"][:, 0]).tolist() == [*range(2, 9)]
    cut = load(folder).splits["test"][0]["frame_labels"]
    assert np.flatnonzero(cut[:, 2]).tolist() == [6, 7, 8, 9]


def test_person_masks_are_read_from_their_folder(folder):
    masks = str(folder / "raw" / people.FOLDER)
    dataset = load(folder, modalities=("rgb", "human"), human=masks)
    example = dataset.splits["test"][0]
    assert [view["human"][3] for view in example["views"]] == [
        103 + 10 * camera for camera in range(5)
    ]
    assert "audio" not in example["views"][0]
    with pytest.raises(DataError, match="human needs a folder of masks"):
        load(folder, modalities=("rgb", "human"))
    with pytest.raises(DataError, match="01_00_Part1.npz: cannot be read"):
        load(folder, modalities=("rgb", "human"), human=str(folder))


def test_from_raw_files_to_batches(folder):
    masks = str(folder / "raw" / people.FOLDER)
    dataset = load(folder, modalities=("rgb", "audio", "human"), human=masks)
    sample = scenes.for_dataset(dataset, frames=6, mel_bins=16)
    source = pickle.loads(pickle.dumps(Drawn(dataset.splits["train"], sample)))
    (batch,) = loader.make_loader(source, batch_size=2, seed=0, epochs=1)
    assert {name: array.shape for name, array in batch.items()} == {
        "key": (2,),
        "rgb": (2, 5, 6, 32, 32, 3),
        "audio": (2, 5, 6, 64, 16),
        "audible": (2, 5, 6),
        "visible": (2, 5, 6),
        "present": (2, 5, 6),
        "labels": (2, 3),
        "frame_labels": (2, 6, 3),
        "mask": (2,),
    }
    # The number of a frame, by what is seen, and by the mask of the first clip.
    first = np.flatnonzero(batch["key"] == "01_00_Part1")[0]
    for camera in range(5):
        shown = raw_files.numbers_shown(batch["rgb"][first, camera]) // 4
        np.testing.assert_array_equal(
            batch["visible"][first, camera] - 10 * camera, shown
        )


def test_a_student_of_pictures_reads_no_sound(folder, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a spectrogram was computed")

    monkeypatch.setattr(fbank, "log_mel", refuse)
    dataset = load(folder, modalities=("rgb",))
    sample = scenes.for_dataset(dataset, frames=4)
    out = Mapped(dataset.splits["test"], sample)[0]
    assert sorted(out) == ["frame_labels", "key", "labels", "present", "rgb"]


def test_without_split_files_a_stratified_split_is_drawn(small, tmp_path):
    entries = [clip_entry(1, n, [("Eat", 0.0, 0.8)], views=2) for n in range(2)]
    write_labels(small, "all_labels", entries)
    build(small, tmp_path)
    dataset = load(tmp_path)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 1,
        "test": 1,
    }
    assert keys(dataset) == keys(load(tmp_path, protocol="stratified"))
    with pytest.raises(
        DataError, match="was prepared without train.json and test.json"
    ):
        load(tmp_path, protocol="official")


def test_a_stratified_split_may_replace_the_official_one(folder):
    assert keys(load(folder, protocol="official")) == keys(load(folder))
    drawn = keys(load(folder, protocol="stratified"))
    assert drawn != keys(load(folder))
    assert [len(drawn["train"]), len(drawn["test"])] == [2, 1]


def test_sessions_can_be_held_out(folder):
    held = load(folder, holdout=[2])
    assert keys(held) == {
        "train": ["01_00_Part1"],
        "val": ["02_02_Part1"],
        "test": ["01_01_Part2"],
    }
    assert len(held.splits["val"][0]["views"]) == 5
    with pytest.raises(DataError, match="cannot hold out subject 9"):
        load(folder, holdout=[9])


def test_a_damaged_video_is_named_once_and_its_clip_left_out(small, tmp_path):
    (small / "01/00-View2-Part1.mp4").write_bytes(b"no video" * 20)
    report = build(small, tmp_path)
    assert report.count("00-View2-Part1.mp4: not a readable video") == 1
    assert "kept 2 of 2" in report and "  view2: kept 1 of 2\n  skipped: 1\n" in report
    write_split(small, tmp_path)
    with pytest.raises(DataError, match="the split 'train' is empty"):
        load(tmp_path / "split", strict=False)
    with pytest.raises(DataError, match="has 0 training and 1 test"):
        load(tmp_path / "split")
    dataset = load(tmp_path / "split", missing_views="mask")
    example = dataset.splits["train"][0]
    assert example["view_mask"].tolist() == [1, 0]
    out = scenes.for_dataset(dataset, frames=3, mel_bins=16)(example)
    assert out["present"][:, 0].tolist() == [1, 0] and not out["rgb"][1].any()
    with pytest.raises(DataError, match="training clip 01_00_Part1 lacks camera 2"):
        load(tmp_path / "split", missing_views="error")


def write_split(raw_dir, folder):
    """Prepare the two clips of `small` again, the first of them to train on."""
    entries = json.loads((raw_dir / "all_labels.json").read_text())
    write_labels(raw_dir, "train", entries[:1])
    write_labels(raw_dir, "test", entries[1:])
    build(raw_dir, folder / "split")


def test_a_test_clip_without_one_of_its_videos_is_an_error(small, tmp_path):
    (small / "01/01-View1-Part1.mp4").unlink()
    write_split(small, tmp_path)
    for policy in ("drop", "mask"):
        with pytest.raises(DataError, match="test clip 01_01_Part1 lacks camera 1"):
            load(tmp_path / "split", missing_views=policy)


def test_clips_without_sound_are_kept_and_counted(tmp_path):
    entry = clip_entry(1, 0, [EAT], views=3)
    other = clip_entry(1, 1, [EAT], views=3)
    raw_dir = scene_files.home(tmp_path / "raw", [entry, other], seconds=2.0)
    clip = scene_files.filmed(2.0, 77)
    scene_files.write_video(raw_dir / entry["video_url_1"], clip)
    silence, short = np.zeros((1, 32000), np.float32), scene_files.tones(0.05)
    for view, heard in ((2, silence), (3, short)):
        path = raw_dir / entry[f"video_url_{view}"]
        clip = scene_files.filmed(2.0, 78 + view)
        scene_files.write_video(path, clip, sound=heard)
    report = build(raw_dir, tmp_path)
    assert (
        "kept 2 of 2" in report and "skipped: 0" in report and "put right: 3" in report
    )
    assert "00-View1-Part1.mp4: no sound track" in report
    assert "00-View2-Part1.mp4: the sound track is silent" in report
    assert "00-View3-Part1.mp4: its sound of 0.0" in report and "too short" in report
    dataset = load(tmp_path)
    every = [s[i] for s in dataset.splits.values() for i in range(len(s))]
    (example,) = (e for e in every if e["key"] == "01_00_Part1")
    assert not any("audio" in view for view in example["views"])


def test_frames_are_squares_of_the_side_that_is_asked_for(small, tmp_path):
    build(small, tmp_path, short_side=20)
    example = load(tmp_path).splits["train"][0]
    assert example["views"][0]["rgb"][np.array([0])].shape == (1, 20, 20, 3)
    assert stored.open_built("multisensor_home", tmp_path).report["short_side"] == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "csub"}, "multisensor_home has the protocols"),
        ({"modalities": ("audio",)}, "multisensor_home has rgb and, if asked for"),
        ({"missing_views": "x"}, "missing_views is one of"),
    ],
)
def test_options_that_make_no_data_set_are_refused(folder, options, message):
    with pytest.raises(DataError, match=message):
        load(folder, **options)


def test_a_clip_is_read_for_prediction(folder):
    paths = [folder / "raw" / ENTRIES[1][f"video_url_{n}"] for n in (4, 2)]
    example = multisensor_home.read_recording(paths)
    assert example["key"] == "01_01_Part2"
    assert example["view_ids"].tolist() == [1, 2, 3, 4, 5]
    assert example["view_mask"].tolist() == [0, 1, 0, 1, 0]
    shown = example["views"][3]["rgb"][np.array([0, 9])]
    assert shown.shape == (2, 224, 224, 3)
    assert raw_files.numbers_shown(shown).tolist() == [0, 36]
    sample = scenes.Scenes(modalities=("rgb", "audio"), frames=5, mel_bins=16)
    out = sample(example)
    assert out["audible"][:, 0].tolist() == [0, 1, 0, 1, 0] and "labels" not in out
    others = [paths[0], folder / "raw" / ENTRIES[0]["video_url_1"]]
    with pytest.raises(DataError, match="is not another camera of the clip"):
        multisensor_home.read_recording(others)
    with pytest.raises(DataError, match="a clip is the videos of its cameras"):
        multisensor_home.read_recording([])


def test_the_clips_of_a_raw_folder_are_listed_for_a_detector(folder):
    clips, cameras = multisensor_home.videos(folder / "raw")
    assert cameras == (1, 2, 3, 4, 5) and len(clips) == 3
    assert clips["01_01_Part2"][4] == folder / "raw" / "01/01-View4-Part2.mp4"

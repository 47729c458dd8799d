"""MM-Office: from raw files to examples, protocols, microphones, units."""

import numpy as np
import pytest

from data_pipelines import sound
from data_pipelines.dataset import rows
from data_pipelines.datasets import mm_office
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from data_pipelines.transforms import scenes
from tests.data_pipelines import raw_files, scene_files

EVENTS = {(10, 0): (3, 8), (10, 1): (3,), (12, 0): (12,), (12, 1): (1,)}
TEST = {8: [(8, 0.4, 1.2)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Raw and prepared files, which no test changes."""
    folder = tmp_path_factory.mktemp("office")
    raw_dir = scene_files.office(folder / "raw", EVENTS, test=TEST)
    (raw_dir / "split_train.txt").write_text("recid010_0\nrecid010_1\n")
    (raw_dir / "split_test.txt").write_text("recid012_0\nrecid012_1\n")
    report = prepare("mm_office", raw_dir=raw_dir, data_dir=folder, short_side=32)
    assert "mm_office: kept 5 of 5 recordings" in report
    assert "  mic7: kept 5 of 5\n  skipped: 0" in report
    return folder


def load(folder, **options):
    return mm_office.load(data_dir=folder, **{"strict": False, **options})


def keys(dataset):
    return {
        name: [row.key for row in rows(split)] for name, split in dataset.splits.items()
    }


def test_training_clips_are_halves_and_test_clips_whole(folder):
    dataset = load(folder)
    assert len(dataset.classes) == 12 and dataset.classes[7] == "enter"
    assert keys(dataset) == {
        "train": ["recid010_0", "recid010_1", "recid012_0", "recid012_1"],
        "test": ["recid008"],
    }
    assert rows(dataset.splits["train"])[0] == ("recid010_0", (2, 7), 10)


def test_training_labels_are_weak_and_test_labels_strong(folder):
    dataset = load(folder)
    train, test = (dataset.splits[name][0] for name in ("train", "test"))
    assert "frame_labels" not in train
    assert np.flatnonzero(train["labels"]).tolist() == [2, 7]
    assert np.flatnonzero(test["labels"]).tolist() == [7]
    assert np.flatnonzero(test["frame_labels"][:, 7]).tolist() == [1, 2, 3]


def test_an_example_has_four_cameras_and_the_mean_of_all_microphones(folder):
    example = load(folder).splits["train"][0]
    assert example["view_ids"].tolist() == [0, 1, 2, 3]
    for view in example["views"]:
        frames = view["rgb"][np.arange(5)]
        assert raw_files.numbers_shown(frames).tolist() == [0, 4, 8, 12, 16]
        chunks = sound.chunks(view["audio"], 5)
        assert scene_files.chunks_heard(chunks).tolist() == [*range(5)]
        # The mean of loudnesses 0.02 to 0.16, and 0.003 for this recording.
        np.testing.assert_allclose(chunks[2].std(), 0.093 / 2**0.5, rtol=0.02)


def test_cameras_may_have_microphones_of_their_own(folder):
    pairs = [(0, 1), (2, 3), (4, 5), (7,)]
    example = load(folder, microphones=pairs).splits["train"][0]
    loud = [view["audio"].std() * 2**0.5 for view in example["views"]]
    np.testing.assert_allclose(loud, [0.033, 0.073, 0.113, 0.163], rtol=0.02)


def test_the_lists_of_multiasl_split_the_training_clips(folder):
    dataset = load(folder, protocol="multiasl")
    assert keys(dataset) == {
        "train": ["recid010_0", "recid010_1"],
        "test": ["recid012_0", "recid012_1"],
    }
    assert "frame_labels" not in dataset.splits["test"][0]


def test_a_coarser_grid_and_another_unit_of_time(folder):
    test = load(folder, step=2, time_unit=2.0).splits["test"][0]
    assert [len(view["rgb"]) for view in test["views"]] == [3, 3, 3, 3]
    shown = test["views"][1]["rgb"][np.arange(3)]
    assert raw_files.numbers_shown(shown).tolist() == [0, 8, 16]
    # 0.8 to 2.4 s are the frames 1 to 3 of 0.8 s each, of which there are three.
    assert np.flatnonzero(test["frame_labels"][:, 7]).tolist() == [1, 2]
    out = scenes.Scenes(modalities=("rgb", "audio"), frames=4, mel_bins=16)(test)
    assert out["rgb"].shape == (4, 4, 32, 32, 3) and out["audible"].all()


def test_other_than_the_published_sizes_are_refused(folder):
    with pytest.raises(DataError, match="4 training and 1 test trials, .* 704 and 88"):
        load(folder, strict=True)
    with pytest.raises(DataError, match="2 training and 2 test trials, .* 492 and 212"):
        load(folder, strict=True, protocol="multiasl")


def test_recordings_can_be_held_out(folder):
    held = keys(load(folder, holdout=[12]))
    assert held["val"] == ["recid012_0", "recid012_1"] and len(held["train"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "csub"}, "mm_office has the protocols"),
        ({"modalities": ("rgb", "human")}, "human needs a folder of masks"),
        ({"modalities": ("audio",)}, "mm_office has rgb and, if asked for"),
        ({"microphones": [(0,)] * 3}, "for each of 4 cameras"),
        ({"microphones": [(0,)] * 3 + [(8,)]}, "are not numbers of 0 to 7"),
        ({"step": 0}, "step=0"),
        ({"time_unit": 0.0}, "time_unit=0"),
    ],
)
def test_options_that_make_no_data_set_are_refused(folder, options, message):
    with pytest.raises(DataError, match=message):
        load(folder, **options)


def test_a_clip_is_read_for_prediction(folder):
    raw = folder / "raw"
    name = scene_files.office_name
    paths = [
        raw / "video" / "test" / f"{name(8, 2, None)}.mp4",
        raw / "audio" / "test" / f"{name(8, 0, None)}.wav",
        raw / "audio" / "test" / f"{name(8, 5, None)}.wav",
    ]
    example = mm_office.read_recording(paths)
    assert example["key"] == "recid008" and example["view_mask"].tolist() == [
        0,
        0,
        1,
        0,
    ]
    view = example["views"][2]
    assert len(view["rgb"]) == 5 and len(view["audio"]) == 32000
    np.testing.assert_allclose(view["audio"].std(), 0.071 / 2**0.5, rtol=0.02)
    with pytest.raises(DataError, match="is not of the clip recid008"):
        mm_office.read_recording([paths[0], raw / f"{name(10, 1, 0)}.mp4"])
    with pytest.raises(DataError, match="an .mp4 file at least"):
        mm_office.read_recording(paths[1:])


def test_the_clips_of_a_raw_folder_are_listed_for_a_detector(folder):
    clips, cameras = mm_office.videos(folder / "raw")
    assert cameras == (0, 1, 2, 3) and len(clips) == 5
    assert clips["recid010_1"][3].name == "split0_id03_s05_recid010_1.mp4"

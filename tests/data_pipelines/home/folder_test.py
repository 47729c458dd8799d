"""A home written as MultiSensor-Home is distributed: names, labels, masks, sound."""

import json

import numpy as np
import pytest

from data_pipelines import grid, sound, tricks
from data_pipelines.datasets import synthetic_home
from data_pipelines.errors import DataError
from data_pipelines.home import script

OPTIONS = {"subjects": 3, "recordings_per_subject": 1, "cameras": 2, "size": 32}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("home") / "raw"
    synthetic_home.main(
        [f"--out={out}", *(f"--{name}={value}" for name, value in OPTIONS.items())]
    )
    return out


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_files_have_the_official_names(written):
    videos = [f"0{s}/00-View{v}-Part1.mp4" for s in (1, 2, 3) for v in (1, 2)]
    masks = [f"human/0{s}_00_Part1.npz" for s in (1, 2, 3)]
    lists = ["all_labels.json", "test.json", "train.json"]
    assert names(written) == sorted(videos + masks + lists)


def test_the_lists_hold_the_splits_and_every_activity(written):
    dataset = synthetic_home.load(**OPTIONS)
    found = {name: tricks.read(written / f"{name}.json") for name in ("train", "test")}
    assert list(found["train"].clips) == ["01_00_Part1", "02_00_Part1"]
    assert list(found["test"].clips) == ["03_00_Part1"]
    for name, listed in found.items():
        assert not listed.faults
        source = dataset.splits[name]
        for index, clip in enumerate(listed.clips.values()):
            expected = script.annotated(source.script_of(index))
            assert list(clip.tricks) == expected and len(expected) > 0
            assert sorted(clip.videos) == [1, 2]
    whole = json.loads((written / "all_labels.json").read_text())
    parts = [json.loads((written / f"{n}.json").read_text()) for n in ("train", "test")]
    assert whole == parts[0] + parts[1]


def test_masks_frames_and_sound_are_those_of_the_data_set(written):
    example = synthetic_home.load(**OPTIONS).splits["test"][0]
    with np.load(written / "human" / "03_00_Part1.npz") as archive:
        confidence = archive["confidence"]
    human = np.stack([view["human"] for view in example["views"]])
    assert confidence.dtype == np.float32
    np.testing.assert_array_equal(confidence, human)
    for camera, view in zip((1, 2), example["views"]):
        path = written / "03" / f"00-View{camera}-Part1.mp4"
        frames = [frame.to_ndarray(format="rgb24") for frame in grid.frames(path)]
        expected = view["rgb"][np.arange(len(view["rgb"]))].astype(int)
        # Colours of MPEG-4 are at half the resolution.
        assert np.abs(np.stack(frames) - expected).mean() < 8
        wave = sound.from_steps(sound.read(path, "audio").arrays["audio"])
        cosine = wave[: len(view["audio"])] @ view["audio"]
        cosine /= np.linalg.norm(wave) * np.linalg.norm(view["audio"])
        assert cosine > 0.9


def test_folders_and_options_that_do_not_fit_are_refused(written, tmp_path):
    with pytest.raises(DataError, match="the folder is not empty"):
        synthetic_home.write_home(written, **OPTIONS)
    with pytest.raises(SystemExit, match="error: .*the folder is not empty"):
        synthetic_home.main([f"--out={written}", "--subjects=3"])
    out = tmp_path / "new"
    with pytest.raises(DataError, match="12 frames a second are no multiple of 2.5"):
        synthetic_home.write_home(out, frames_per_second=12, **OPTIONS)
    with pytest.raises(DataError, match="the data set has no human"):
        synthetic_home.write_home(out, modalities=("rgb",), **OPTIONS)
    with pytest.raises(DataError, match="pictures of 33 pixels, an odd number"):
        synthetic_home.write_home(out, **OPTIONS | {"size": 33})
    assert not out.exists()

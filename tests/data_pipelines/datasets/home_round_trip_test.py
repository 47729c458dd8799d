"""A synthetic home that is written, prepared and read as MultiSensor-Home is."""

import numpy as np
import pytest

from data_pipelines.dataset import rows
from data_pipelines.datasets import multisensor_home, synthetic_home
from data_pipelines.prepare import prepare

OPTIONS = {
    "subjects": 3,
    "recordings_per_subject": 2,
    "cameras": 3,
    "size": 32,
    "classes": ("drink", "lamp", "radio"),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The data set as it was made, and as it was written, prepared and loaded."""
    folder = tmp_path_factory.mktemp("home")
    synthetic_home.write_home(folder / "raw", **OPTIONS)
    report = prepare(
        "multisensor_home",
        raw_dir=str(folder / "raw"),
        data_dir=str(folder / "data"),
        short_side=OPTIONS["size"],
    )
    assert "skipped: 0" in report, report
    found = multisensor_home.load(
        data_dir=str(folder / "data"),
        protocol="official",
        modalities=("rgb", "audio", "human"),
        human=str(folder / "raw" / "human"),
    )
    return synthetic_home.load(**OPTIONS), found


def pairs(both):
    made, found = both
    for name in ("train", "test"):
        for i in range(len(made.splits[name])):
            yield made.splits[name][i], found.splits[name][i]


def test_splits_classes_and_labels_are_read_as_written(both):
    made, found = both
    assert found.classes == made.classes
    assert found.modalities == made.modalities
    assert set(found.splits) == set(made.splits)
    for name, split in made.splits.items():
        assert rows(found.splits[name]) == rows(split)
    for one, other in pairs(both):
        assert (other["key"], other["label"]) == (one["key"], one["label"])
        for name in ("labels", "frame_labels", "view_ids", "view_mask"):
            np.testing.assert_array_equal(other[name], one[name])
            assert other[name].dtype == one[name].dtype


def test_masks_are_read_as_written(both):
    for one, other in pairs(both):
        for mine, theirs in zip(one["views"], other["views"]):
            np.testing.assert_array_equal(theirs["human"], mine["human"])
            assert theirs["key"] == mine["key"]


def test_frames_are_read_within_the_error_of_the_codecs(both):
    nearest = []
    for one, other in pairs(both):
        every = np.arange(len(one["frame_labels"]))
        for mine, theirs in zip(one["views"], other["views"]):
            assert len(theirs["rgb"]) == len(mine["rgb"]) == len(every)
            written = mine["rgb"][every].astype(int)
            error = theirs["rgb"][every] - written
            # MPEG-4 and JPEG store colours at half the resolution: the noise of a
            # picture has a deviation of 4, and its edges are of colour.
            assert np.abs(error).mean() < 8 and brightness(error).mean() < 5
            apart = np.abs(theirs["rgb"][every][:, None] - written).mean((2, 3, 4))
            found = apart.argmin(axis=1)
            nearest.append(found == every)
            # Where nobody moves another frame may be as near by chance: noise alone sets
            # two written frames apart by 2 * 4 / sqrt(pi) = 4.5. No frame is nearer to one
            # that looks different, nor by more than a little to any.
            assert np.abs(written[found] - written).mean((1, 2, 3)).max() < 5.2
            assert (apart.diagonal() < 1.03 * apart.min(axis=1)).all()
    assert np.concatenate(nearest).mean() > 0.95


def brightness(error):
    return np.abs(error @ np.array([0.299, 0.587, 0.114]))


def test_sound_is_read_at_its_time(both):
    for one, other in pairs(both):
        for mine, theirs in zip(one["views"], other["views"]):
            # AAC codes blocks of 1024 samples.
            assert abs(len(theirs["audio"]) - len(mine["audio"])) <= 1024
            length = min(len(theirs["audio"]), len(mine["audio"]))
            written, found = mine["audio"][:length], theirs["audio"][:length]
            spectrum = np.conj(np.fft.rfft(written)) * np.fft.rfft(found)
            assert np.fft.irfft(spectrum, length).argmax() == 0
            cosine = written @ found
            cosine /= np.linalg.norm(written) * np.linalg.norm(found)
            assert cosine > 0.9

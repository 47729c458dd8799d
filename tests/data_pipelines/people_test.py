"""Person masks: files, the masks of clips, the command."""

import numpy as np
import pytest

from data_pipelines import people
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files, scene_files
from tests.data_pipelines.detector_test import write_network

TRICKS = [("Eat", 0.4, 1.2)]


def shown(frame):
    """A detector that reads the number that a picture shows."""
    return float(raw_files.numbers_shown(frame.to_ndarray(format="rgb24")[None])[0])


@pytest.fixture
def raw_dir(tmp_path):
    entries = [scene_files.clip_entry(1, n, TRICKS, views=2) for n in range(2)]
    return scene_files.home(tmp_path / "raw", entries, seconds=2.0, sound=False)


def test_a_mask_comes_back(tmp_path):
    path = tmp_path / "clip.npz"
    mask = np.random.default_rng(0).random((2, 7), np.float32)
    people.write(path, mask)
    np.testing.assert_array_equal(people.read(path, (2, 7)), mask)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


def test_a_mask_of_another_clip_is_refused(tmp_path):
    path = tmp_path / "clip.npz"
    with pytest.raises(DataError, match="clip.npz: cannot be read"):
        people.read(path, (2, 7))
    people.write(path, np.zeros((2, 7)))
    with pytest.raises(DataError, match=r"\[2, 7\], but the clip has 2 cameras and 8"):
        people.read(path, (2, 8))
    people.write(path, np.full((2, 7), np.nan))
    with pytest.raises(DataError, match="negative or not finite"):
        people.read(path, (2, 7))
    np.savez(path, other=np.zeros((2, 7)))
    with pytest.raises(DataError, match="not a file with `confidence`"):
        people.read(path, (2, 7))
    path.write_bytes(b"x" * 40)
    with pytest.raises(DataError, match="not a file with `confidence`"):
        people.read(path, (2, 7))


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    path = tmp_path / "clip.npz"
    np.savez(path, confidence=np.array([{}], object))
    with pytest.raises(DataError, match="not a file with `confidence`"):
        people.read(path, (1, 1))


def test_a_mask_is_of_the_grid_of_the_shortest_camera(tmp_path):
    paths = {}
    for camera, seconds in ((1, 2.0), (3, 1.3)):
        path = tmp_path / f"{camera}.mp4"
        clip = scene_files.filmed(seconds, camera)
        paths[camera] = scene_files.write_video(path, clip)
    mask = people.mask(paths, (1, 2, 3), shown)
    # Every fourth of 13 frames; the second camera is missing.
    assert mask.tolist() == [[0, 4, 8, 12], [0, 0, 0, 0], [0, 4, 8, 12]]
    assert mask.dtype == np.float32


def test_masks_are_written_once_unless_forced(raw_dir):
    folder = raw_dir / people.FOLDER
    said = people.write_all(raw_dir, folder, shown)
    assert "2 masks written, 0 were there" in said and "skipped: 0" in said
    mask = people.read(folder / "01_00_Part1.npz", (2, 5))
    assert mask.tolist() == [[0, 4, 8, 12, 16]] * 2
    people.write(folder / "01_00_Part1.npz", np.ones((2, 5)))
    said = people.write_all(raw_dir, folder, shown)
    assert "0 masks written, 2 were there and are kept" in said
    assert people.read(folder / "01_00_Part1.npz", (2, 5)).all()
    assert "2 masks written" in people.write_all(raw_dir, folder, shown, force=True)
    assert not people.read(folder / "01_00_Part1.npz", (2, 5)).all()


def test_a_video_that_cannot_be_read_is_named(raw_dir):
    (raw_dir / "01/00-View2-Part1.mp4").write_bytes(b"")
    said = people.write_all(raw_dir, raw_dir / "masks", shown)
    assert "1 masks written" in said and "skipped: 1\n" in said
    assert "01_00_Part1: " in said and "View2-Part1.mp4: the file is empty" in said
    (raw_dir / "01/01-View1-Part1.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="no mask could be written"):
        people.write_all(raw_dir, raw_dir / "others", shown)


@pytest.mark.parametrize("dataset", ["no_such_data_set", "utd_mhad"])
def test_a_data_set_without_cameras_is_refused(raw_dir, dataset):
    with pytest.raises(DataError, match=f"{dataset} is no data set of several cameras"):
        people.write_all(raw_dir, raw_dir, shown, dataset=dataset)


def test_the_command_says_what_is_wrong(raw_dir, tmp_path):
    both = [f"--raw_dir={raw_dir}", f"--detector={tmp_path / 'none.onnx'}"]
    with pytest.raises(SystemExit, match="error: .*(no such file|onnxruntime)"):
        people.main(both)
    with pytest.raises(SystemExit, match="error: --confidence=2 is not in 0..1"):
        people.main([*both, "--confidence=2"])


def test_the_command_writes_masks(raw_dir, tmp_path, capsys):
    pytest.importorskip(
        "onnxruntime", reason="onnxruntime, which is optional, is absent"
    )
    network = write_network(tmp_path / "bright.onnx", side=64)
    people.main([f"--raw_dir={raw_dir}", f"--detector={network}", "--confidence=0.1"])
    assert "2 masks written" in capsys.readouterr().out
    mask = people.read(raw_dir / "human" / "01_01_Part1.npz", (2, 5))
    # More bars are bright in frame 12 than in frame 0.
    assert (mask > 0).all() and (mask[:, 3] > mask[:, 0]).all()

"""JPEG files of frames, one after the other, from any container."""

import av
import numpy as np
import pytest

from data_pipelines import jpeg, video
from tests.data_pipelines import raw_files, scene_files


@pytest.mark.parametrize("name", ["x.mp4", "x.avi", "x.mkv"])
def test_every_frame_of_a_file_becomes_a_jpeg_file(tmp_path, name):
    path = scene_files.write_video(tmp_path / name, scene_files.filmed(0.5, 3))
    encoder = jpeg.Encoder(64, 48, quality=3)
    with av.open(str(path)) as container:
        frames = (f.reformat(64, 48, "yuvj420p") for f in container.decode(video=0))
        files = [encoder(frame) for frame in frames]
    ends = np.cumsum([len(file) for file in files])
    stored = video.Jpegs(np.frombuffer(b"".join(files), np.uint8), ends)
    shown = stored[np.arange(5)]
    assert shown.shape == (5, 48, 64, 3)
    assert raw_files.numbers_shown(shown).tolist() == [*range(5)]

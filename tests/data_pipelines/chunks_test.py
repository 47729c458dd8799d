"""Videos in chunks: cut, read by spans, slid over by windows."""

import pickle

import numpy as np
import pytest

from data_pipelines import chunks, video
from data_pipelines.dataset import Row
from data_pipelines.errors import DataError
from tests.data_pipelines import raw_files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The stored arrays of a video of 150 frames: two chunks and a part."""
    path = tmp_path_factory.mktemp("video") / "x.avi"
    raw_files.write_avi(path, raw_files.numbered(150, size=(36, 64)))
    return video.read(path, "rgb").arrays


class Counting:
    """Stands for the records of a video; counts how often each is read."""

    def __init__(self, arrays):
        pieces = [chunks.cut("rgb", arrays, start) for start in (0, 64, 128)]
        self.examples = [{"rgb": video.frames("rgb", piece)} for piece in pieces]
        self.reads = []

    def __getitem__(self, number):
        self.reads.append(number)
        return self.examples[number]


def span(whole, start, stop):
    records = Counting(whole)
    return chunks.Frames(chunks._Chunks(records), "rgb", start, stop), records


def test_chunks_are_the_video_cut_without_loss(whole):
    pieces = [chunks.cut("rgb", whole, start) for start in (0, 64, 128)]
    assert [len(piece["rgb_ends"]) for piece in pieces] == [64, 64, 22]
    joined = np.concatenate([piece["rgb"] for piece in pieces])
    np.testing.assert_array_equal(joined, whole["rgb"])
    for piece in pieces:
        assert piece["rgb_ends"][-1] == len(piece["rgb"])
        assert piece["rgb_ends"].dtype == np.int64
    frames = [video.frames("rgb", piece)[np.array([1])] for piece in pieces]
    assert raw_files.numbers_shown(np.concatenate(frames)).tolist() == [1, 65, 129]


@pytest.mark.parametrize("start", [192, 6400])
def test_past_the_end_a_chunk_is_empty(whole, start):
    piece = chunks.cut("rgb", whole, start)
    assert {name: array.shape for name, array in piece.items()} == {
        "rgb": (0,),
        "rgb_ends": (0,),
    }


def test_a_span_shows_its_own_frames_in_the_order_they_are_asked_for(whole):
    frames, records = span(whole, 60, 131)
    assert len(frames) == 71
    every = frames[np.arange(71)]
    assert every.shape == (71, 36, 64, 3) and every.dtype == np.uint8
    assert raw_files.numbers_shown(every).tolist() == [*range(60, 131)]
    wanted = np.array([70, 3, 0, 69, 3, 4, 68])
    np.testing.assert_array_equal(frames[wanted], every[wanted])
    assert sorted(records.reads) == [0, 1, 2]


def test_only_the_chunks_of_the_frames_asked_for_are_read(whole):
    frames, records = span(whole, 60, 131)
    assert records.reads == []
    frames[np.array([3, 2])]
    assert records.reads == [0]
    frames[np.array([0, 4, 67])]
    assert records.reads == [0, 1]


@pytest.mark.parametrize("wanted", [[-1], [0, 71], []])
def test_frames_outside_the_span_are_not_those_of_another(whole, wanted):
    frames, _ = span(whole, 60, 131)
    with pytest.raises(IndexError, match="of 71"):
        frames[np.array(wanted, int)]


def test_rows_need_no_frames_and_a_source_pickles():
    row = Row("0002-M_i00", 3, 2)
    source = chunks.Spans(
        "/nowhere", {"0002-M": ()}, (chunks.Span(row, "0002-M", 0, 9),), {"rgb": "rgb"}
    )
    copy = pickle.loads(pickle.dumps(source))
    assert (len(copy), copy.rows) == (1, [row])


def test_windows_cover_a_video_to_its_end():
    shown = {
        frames: [*chunks.windows(frames, 64, 32)] for frames in (40, 64, 96, 100, 128)
    }
    assert shown == {
        40: [(0, 40)],
        64: [(0, 64)],
        96: [(0, 64), (32, 96)],
        100: [(0, 64), (32, 96), (36, 100)],
        128: [(0, 64), (32, 96), (64, 128)],
    }


@pytest.mark.parametrize(("length", "stride"), [(0, 8), (8, 0), (8, -1)])
def test_windows_of_no_frames_are_refused(length, stride):
    with pytest.raises(DataError, match=f"windows of {length} frames every {stride}"):
        next(chunks.windows(100, length, stride))

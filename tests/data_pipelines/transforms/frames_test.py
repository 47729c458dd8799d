"""Which frames make a clip: bounds, order, fixed clips, other lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipelines.transforms import frames

LENGTHS = (1, 9, 10, 47, 48, 49, 95, 96, 97, 300)


@settings(deadline=None)
@given(count=st.integers(1, 400), length=st.integers(1, 64), seed=st.integers(0, 99))
def test_a_clip_takes_one_frame_of_every_part(count, length, seed):
    clip = frames.uniform(count, length, frames.generator(seed))
    assert clip.shape == (length,)
    assert 0 <= clip.min() and clip.max() < count
    if count < length:
        np.testing.assert_array_equal(np.diff(clip) % count, 1 % count)
    else:
        assert (np.diff(clip) > 0).all()
    if count >= 2 * length:
        edges = [k * count // length for k in range(length + 1)]
        assert all(a <= i < b for a, i, b in zip(edges, clip, edges[1:]))


def test_every_frame_of_a_part_is_drawn_equally_often():
    clips = [frames.uniform(10, 4, frames.generator(5, i)) for i in range(900)]
    # The parts of 10 frames are 2, 3, 2 and 3 long; 900 draws, six deviations.
    counts = np.bincount(np.ravel(clips), minlength=10)
    for part, size in (((0, 1), 2), ((2, 3, 4), 3), ((5, 6), 2), ((7, 8, 9), 3)):
        np.testing.assert_allclose(counts[list(part)], 900 / size, atol=90)


def test_the_frames_of_a_seed_never_change():
    # `RandomState` over PCG64 seeded with [7, 0, 3], NumPy 2.4; both are frozen.
    clips = [frames.uniform(n, 6, frames.generator(7, 0, 3)) for n in (4, 9, 40)]
    assert [clip.tolist() for clip in clips] == [
        [0, 1, 2, 3, 0, 1],
        [1, 2, 4, 5, 6, 8],
        [4, 7, 17, 23, 26, 39],
    ]


def test_streams_of_other_numbers_are_others():
    streams = [(1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3), (1, 2)]
    draws = {frames.generator(*seed).randint(1 << 30) for seed in streams}
    assert len(draws) == len(streams)


@pytest.mark.parametrize("order", frames.ORDERS)
@pytest.mark.parametrize("count", LENGTHS)
def test_fixed_clips_are_fixed_and_differ_from_each_other(order, count):
    clips = frames.fixed(count, 48, clips=10, order=order)
    assert clips.shape == (10, 48)
    assert 0 <= clips.min() and clips.max() < count
    np.testing.assert_array_equal(clips, frames.fixed(count, 48, clips=10, order=order))
    distinct = {tuple(clip) for clip in clips}
    # One frame and 48 allow a single clip, nine frames nine starts; of 49 clips of 49
    # frames ten may coincide.
    assert len(distinct) in {1: [1], 9: [9], 48: [1], 49: range(5, 11)}.get(count, [10])


def test_the_first_of_several_fixed_clips_is_the_only_one():
    several = frames.fixed(200, 32, clips=4)
    np.testing.assert_array_equal(frames.fixed(200, 32), several[:1])


@settings(deadline=None)
@given(count=st.integers(1, 300), others=st.integers(1, 300))
def test_another_recording_gives_the_frames_at_the_same_fractions(count, others):
    every = np.arange(count)
    same = frames.rescaled(every, count, others)
    assert 0 <= same[0] and same[-1] < others and (np.diff(same) >= 0).all()
    # The middle of a frame, (2 i + 1) / 2 n, lies within the other recording's frame.
    middle = (2 * every + 1) * others
    assert (2 * count * same <= middle).all()
    assert (middle < 2 * count * (same + 1)).all()
    np.testing.assert_array_equal(frames.rescaled(every, count, count), every)

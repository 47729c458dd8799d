"""Which frames of a recording make a clip: one from each of equal parts of it."""

from collections.abc import Callable, Mapping

import numpy as np

SEED = 255
"""Of the fixed clips of an evaluation, as in the public code."""


def _pyskl(rng: np.random.RandomState) -> None:
    # pyskl draws a frame interval before every clip, even where there is but one.
    rng.rand()
    rng.randint(1)


ORDERS: Mapping[str, Callable[[np.random.RandomState], None]] = {
    "pyskl": _pyskl,
    "mmaction2": lambda rng: None,
}
"""What is drawn before each clip: the two libraries, with one seed, pick other frames."""


def generator(*seed: int) -> np.random.RandomState:
    """A random stream that NumPy promises never to change.

    The methods of `RandomState` are frozen, those of `Generator` may be improved: a run
    that is resumed after an upgrade must draw the same frames.

    Args:
      *seed: non-negative numbers; every combination has a stream of its own.

    Returns:
      The stream, quick to seed.
    """
    return np.random.RandomState(np.random.PCG64(seed))


def uniform(frames: int, length: int, rng: np.random.RandomState) -> np.ndarray:
    r"""Draw a clip that spans a recording: one frame of each of `length` parts.

    With n frames and a clip of L, for n >= 2 L

    .. math:: i_k = b_k + r_k, \quad b_k = \lfloor k n / L \rfloor, \quad
      r_k \in \{0, \dots, b_{k+1} - b_k - 1\}

    For L <= n < 2 L, n - L of L + 1 places are chosen at which one frame is passed over;
    a shorter recording is repeated from a random start until the clip is full.

    Args:
      frames: n, at least 1.
      length: L.
      rng: draws one `randint` or one `choice`.

    Returns:
      Indices [L] in 0..n-1.

    References:
      Duan, Zhao, Chen, Lin and Dai, *Revisiting Skeleton-based Action Recognition*,
      CVPR 2022, arXiv:2104.13586.
    """
    if frames < length:
        return _repeated(frames, length, rng.randint(0, frames))
    return _spread(frames, length, rng)


def fixed(
    frames: int,
    length: int,
    *,
    clips: int = 1,
    seed: int = SEED,
    order: str = "pyskl",
) -> np.ndarray:
    """The clips of an evaluation, the same for every recording of one length.

    They are drawn as by `uniform`, except that a recording shorter than a clip is
    repeated from starts spread over it.

    Args:
      frames: n, at least 1.
      length: L, frames a clip.
      clips: how many.
      seed: of the draws, which begin anew for every recording.
      order: one of `ORDERS`; "pyskl" and "mmaction2" give the frames of either library.

    Returns:
      Indices [clips L] in 0..n-1.
    """
    if frames < length:
        starts = [i if frames < clips else i * frames // clips for i in range(clips)]
        return np.stack([_repeated(frames, length, start) for start in starts])
    rng = np.random.RandomState(seed)
    rows = []
    for _ in range(clips):
        ORDERS[order](rng)
        rows.append(_spread(frames, length, rng))
    return np.stack(rows)


def segments(
    frames: int, count: int, rng: np.random.RandomState, *, short: str = "spread"
) -> np.ndarray:
    r"""Draw one frame of each of equal segments of a recording.

    With n frames and S segments, for n >= S

    .. math:: i_k = k a + r_k, \quad a = \lfloor n / S \rfloor, \quad
      r_k \in \{0, \dots, a - 1\}

    so that up to S - 1 frames at the end are never drawn, as in both public codes.

    Args:
      frames: n, at least 1.
      count: S.
      rng: draws one `randint`.
      short: what is made of fewer frames than segments: "spread" repeats them in order,
        as MMAction2, "first" the first one, as TSN's own code.

    Returns:
      Indices [S] in 0..n-1; of fewer frames than segments rounding may give n, one past
      the end, which stands for the first.

    References:
      Wang et al., *Temporal Segment Networks: Towards Good Practices for Deep Action
      Recognition*, ECCV 2016, arXiv:1608.00859.
    """
    if frames < count:
        return _few(frames, count, short)
    length = frames // count
    return np.arange(count) * length + rng.randint(length, size=count)


def middles(frames: int, count: int, *, short: str = "spread") -> np.ndarray:
    r"""The middle frame of each of equal segments of a recording.

    .. math:: i_k = \lfloor (k + 1/2) \, n / S \rfloor

    Args:
      frames: n, at least 1.
      count: S.
      short: "spread" is that formula for any n; "first" repeats the first frame where
        there are no more frames than segments, as TSN's own code in validation.

    Returns:
      Indices [S] in 0..n-1.

    References:
      Wang et al., *Temporal Segment Networks: Towards Good Practices for Deep Action
      Recognition*, ECCV 2016, arXiv:1608.00859.
    """
    if short == "first" and frames <= count:
        return _few(frames, count, short)
    return (2 * np.arange(count) + 1) * frames // (2 * count)


SHORT = ("spread", "first")
"""What is made of fewer frames than segments."""


def _few(frames: int, count: int, short: str) -> np.ndarray:
    if short == "first":
        return np.zeros(count, int)
    return np.around(np.arange(count) * (frames / count)).astype(int)


def rescaled(indices: np.ndarray, frames: int, others: int) -> np.ndarray:
    r"""The frames of another recording of the same performance at the same fractions.

    .. math:: j = \lfloor (i + 1/2) \, n' / n \rfloor

    Synchronised cameras, and a video and its skeleton, may differ by a few frames, and
    some data sets cut each camera's recording on its own.

    Args:
      indices: frames of the first recording, any shape.
      frames: n, its length.
      others: n', the length of the other.

    Returns:
      Indices of the same shape in 0..n'-1; the same ones for equal lengths.
    """
    return (2 * indices + 1) * others // (2 * frames)


def _repeated(frames: int, length: int, start: int) -> np.ndarray:
    return (start + np.arange(length)) % frames


def _spread(frames: int, length: int, rng: np.random.RandomState) -> np.ndarray:
    if frames < 2 * length:
        skipped = rng.choice(length + 1, frames - length, replace=False)
        passed = np.zeros(length + 1, int)
        passed[skipped] = 1
        return np.arange(length) + np.cumsum(passed)[:-1]
    edges = np.arange(length + 1) * frames // length
    return edges[:-1] + rng.randint(np.diff(edges))

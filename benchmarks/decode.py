"""Times the decoding of stored video by threads, and the cores that a host needs of it.

    python -m benchmarks.decode --examples_per_second=120

reads clips of stored JPEG frames as the loader does, a clip a thread at a time. The
frames are drawn: a textured background under a disc that moves, with a camera's noise, so
that a frame takes about as many bytes as one of a film does. What a host needs is what
its chips take, said by ``--examples_per_second`` (of ``--mode=plan``, say), over what a
core gives.
"""

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np

from benchmarks import turns
from data_pipelines import jpeg, video

FRAMES = {"cmmvl, ntu": 3 * 32, "rgb2ir, ntu10": 2 * 8, "vicokd, home1": 5 * 70}
"""Frames that an example of a page needs, over all its views."""


def drawn(height: int, width: int, count: int) -> Iterator[np.ndarray]:
    """Frames of a film, ``[H W 3]``."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    coarse = rng.uniform(60, 190, (height // 8 + 1, width // 8 + 1, 3))
    ground = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width]
    for index in range(count):
        centre = width * (0.2 + 0.6 * index / count)
        inside = (rows - height / 2) ** 2 + (columns - centre) ** 2 < (height / 4) ** 2
        seen = np.where(inside[..., None], (210, 150, 120), ground)
        noisy = seen + rng.normal(0, 4, seen.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def stored(height: int, width: int, count: int) -> video.Jpegs:
    """A stored video of such frames."""
    encoder = jpeg.Encoder(width, height, quality=video.QUALITY)
    packets = [
        encoder(av.VideoFrame.from_ndarray(frame).reformat(format="yuvj420p"))
        for frame in drawn(height, width, count)
    ]
    data = np.frombuffer(b"".join(packets), np.uint8)
    return video.Jpegs(data, np.cumsum([len(packet) for packet in packets]))


def rate(film: video.Jpegs, threads: int, clips: int, length: int) -> float:
    """Frames a second that threads decode together, each a clip at a time."""
    indices = np.linspace(0, len(film) - 1, length).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        for _ in pool.map(lambda _: film[indices], range(clips)):
            pass
        return clips * length / (time.perf_counter() - start)


def main() -> None:
    """Prints the rates, and the cores that each page needs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, nargs=2, default=(256, 456))
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--examples_per_second", type=float, default=0.0)
    given = parser.parse_args()
    film = stored(*given.size, 2 * given.length)
    cores = turns.threads()
    print(turns.machine())
    print(
        f"{given.size[0]} x {given.size[1]} pixels, "
        f"{film.data.size / len(film) / 1024:.0f} KiB a frame, clips of {given.length}"
    )
    rate(film, 1, 4, given.length)
    rates = {n: rate(film, n, given.clips, given.length) for n in given.threads}
    for threads, frames in rates.items():
        print(f"{threads:3d} threads {frames:8.0f} frames/s")
    best = max(rates.values()) / cores
    print(f"{best:.0f} frames/s a core")
    for page, frames in FRAMES.items() if given.examples_per_second else ():
        needed = frames * given.examples_per_second
        print(
            f"{page}: {needed:,.0f} frames/s for {given.examples_per_second:g} "
            f"examples/s, {needed / best:.1f} cores"
        )


if __name__ == "__main__":
    main()

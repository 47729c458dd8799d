"""Times the drawing of heatmaps beside a copy of the maps and beside a NumPy loop.

    python -m benchmarks.heatmaps --repetitions=20

All draw or copy the same COCO poses' maps: by default 8 clips of 48 frames, two persons
and 56 x 56 pixels. They take turns in one process, so that all meet the same machine;
compiling is not counted. The copy goes through XLA too: it reads and writes as many
bytes as a renderer has to write.
"""

import argparse
import os
import platform
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import heatmaps, skeletons
from tests import reference_heatmaps as reference

LOOPS = 3
LIMBS = skeletons.get("coco").limbs


def make_poses(clips, frames, persons, size):
    """Random poses [B T M J 3], some of whose joints lie outside the map."""
    rng = np.random.default_rng(0)
    shape = (clips, frames, persons, len(skeletons.get("coco").joints))
    points = rng.uniform(-3.0, size + 3.0, (*shape, 2))
    score = rng.uniform(0.0, 1.0, (*shape, 1))
    return np.concatenate([points, score], axis=-1).astype(np.float32)


def renderers(size):
    """What draws the maps of poses, by name."""
    square = (size, size)

    def joints(poses, dtype=jnp.float32):
        return heatmaps.joint_heatmaps(poses, size=square, dtype=dtype)

    def limbs(poses, dtype=jnp.float32):
        return heatmaps.limb_heatmaps(poses, limbs=LIMBS, size=square, dtype=dtype)

    return {
        "joints": joints,
        "joints, bfloat16": lambda poses: joints(poses, jnp.bfloat16),
        "limbs": limbs,
        "limbs, bfloat16": lambda poses: limbs(poses, jnp.bfloat16),
    }


def loops(poses, size):
    """The loops of the tests, clip by clip."""
    square = (size, size)

    def joints():
        return [reference.joint_heatmaps(clip, square) for clip in poses]

    def limbs():
        return [reference.limb_heatmaps(clip, LIMBS, square) for clip in poses]

    return {"joints, NumPy loop": joints, "limbs, NumPy loop": limbs}


def on_device(function, array):
    """A compiled call that waits for its result, after one that is not counted."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(array))
    return lambda: jax.block_until_ready(compiled(array))


def compare(calls, repetitions):
    """Seconds of each call by name, taken in turns; of a slow loop only a few."""
    seconds = {name: [] for name in calls}
    for turn in range(repetitions):
        for name, call in calls.items():
            if "loop" in name and turn >= LOOPS:
                continue
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {"clips": 8, "frames": 48, "persons": 2, "size": 56}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--repetitions", type=int, default=20)
    options = parser.parse_args()
    poses = make_poses(options.clips, options.frames, options.persons, options.size)
    draw = renderers(options.size)
    maps = jax.jit(draw["joints"])(poses)
    calls = {"copy": on_device(jnp.copy, maps)}
    calls |= {name: on_device(f, jnp.asarray(poses)) for name, f in draw.items()}
    calls |= loops(poses, options.size)
    seconds = compare(calls, options.repetitions)
    device = jax.devices()[0]
    print(
        f"{device.device_kind}, {len(os.sched_getaffinity(0))} threads, "
        f"{platform.machine()}, load {os.getloadavg()[0]:.1f}; JAX {jax.__version__}, "
        f"NumPy {np.__version__}; maps {maps.shape}, {maps.nbytes / 1e6:.1f} MB"
    )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(
            f"{name:20} median {medians[name] * 1e3:8.1f} ms, best "
            f"{min(values) * 1e3:8.1f} ms of {len(values)}; "
            f"{maps.size / medians[name] / 1e9:6.3f} G pixels/s"
        )
    for better, worse in (
        ("joints", "copy"),
        ("limbs", "joints"),
        ("joints", "joints, NumPy loop"),
        ("limbs", "limbs, NumPy loop"),
    ):
        rate, best = (
            table[worse] / table[better]
            for table in (medians, {n: min(v) for n, v in seconds.items()})
        )
        print(f"{better} at {rate:.2f} times the rate of {worse} (best: {best:.2f})")


if __name__ == "__main__":
    main()

"""Times CMMVL's training step by its number of views.

    python -m benchmarks.views --repetitions=10

Students are I3D networks that share their parameters and normalise over all views at
once, as in `experiments/configs/cmmvl.py`. The teacher's logits are stored, so that no
teacher runs. One view makes no pair: its contrastive term is zero, its predictor runs
nevertheless. The steps take turns in one process, so that all meet the same machine;
compiling is not counted.
"""

import argparse
import functools
import os
import platform
import statistics
import time

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import xla_options
from kdjax import core, parallel
from kdjax.augment.video import main_view
from kdjax.methods import cmmvl, common
from kdjax.models import i3d
from kdjax.models.adapters import ViewPredictor

CLASSES, TEACHER = 10, "teacher"


def make_batch(views, options):
    """Random clips [B V T H W 3], labels and the teacher's stored logits."""
    rng = np.random.default_rng(0)
    rows, size = options.batch, options.size
    clips = rng.uniform(-1.0, 1.0, (rows, views, options.frames, size, size, 3))
    batch = {
        "rgb": clips.astype(np.float32),
        "label": rng.integers(0, CLASSES, rows).astype(np.int32),
        "mask": np.ones(rows, np.float32),
        common.stored_key(TEACHER): rng.standard_normal((rows, CLASSES)),
    }
    return {name: jnp.asarray(array) for name, array in batch.items()}


def make_method(width):
    """CMMVL as it is trained, but for the augmentation."""
    axis = parallel.VIEW
    model = i3d.Model(CLASSES, width=width, norm_axis=axis)
    return cmmvl.make(
        network=core.Network(model, ("rgb",), main_view),
        # Only its name counts: a teacher whose logits are stored is never asked.
        teachers={TEACHER: None},
        adapter=functools.partial(ViewPredictor, norm_axis=axis),
    )


def initial(method, optimizer, batch):
    """The train state before the first step."""
    options = xla_options.of_starts(jax.default_backend())
    start = functools.partial(core.init_state, method, optimizer)
    return jax.jit(start, compiler_options=options)(jax.random.key(0), batch, {})


def compiled_step(update, state, batch):
    """A function that trains one step and waits for it, and the seconds to compile."""
    key = jax.random.key(1)
    start = time.perf_counter()
    program = jax.jit(update, donate_argnums=0, compiler_options=xla_options.of_steps())
    compiled = program.lower(state, {}, batch, key).compile()
    seconds = time.perf_counter() - start
    # The step reuses its memory, and the start is every contestant's.
    state = jax.tree.map(jnp.copy, state)

    def step():
        nonlocal state
        state, metrics = compiled(state, {}, batch, key)
        jax.block_until_ready((state, metrics))

    step()
    return step, seconds


def compare(steps, repetitions):
    """Seconds of each step by its number of views, taken in turns."""
    seconds = {views: [] for views in steps}
    for _ in range(repetitions):
        for views, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[views].append(time.perf_counter() - start)
    return seconds


def report(compiling, seconds):
    """Prints a row a number of views."""
    medians, best = (
        {views: 1e3 * reduce(values) for views, values in seconds.items()}
        for reduce in (statistics.median, min)
    )
    print("| N | compile s | ms | best ms | ms per view | relative | relative, best |")
    print("|---|---|---|---|---|---|---|")
    for views in seconds:
        shares = [times[views] / (views * times[1]) for times in (medians, best)]
        print(
            f"| {views} | {compiling[views]:.1f} | {medians[views]:.1f} | "
            f"{best[views]:.1f} | {medians[views] / views:.1f} | "
            f"{shares[0]:.2f} | {shares[1]:.2f} |"
        )
    print("relative: to N times one view; at most 1.00 is at most linear growth")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    numbers = dict(type=int, nargs="+", default=(1, 2, 3, 4, 8))
    parser.add_argument("--views", **numbers)
    parser.add_argument("--width", type=float, default=0.125)
    sizes = {"frames": 16, "size": 40, "batch": 8, "repetitions": 10}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    method, optimizer = make_method(options.width), optax.adamw(2e-3)
    # One view is what the others are measured by.
    batches = {n: make_batch(n, options) for n in sorted({1, *options.views})}
    state = initial(method, optimizer, batches[1])
    update = functools.partial(core.train_step, method, optimizer)
    steps, compiling = {}, {}
    for views, batch in batches.items():
        steps[views], compiling[views] = compiled_step(update, state, batch)
    seconds = compare(steps, options.repetitions)
    device = jax.devices()[0]
    print(
        f"{device.device_kind}, {len(os.sched_getaffinity(0))} threads, "
        f"{platform.machine()}, load {os.getloadavg()[0]:.1f}; JAX {jax.__version__}, "
        f"Flax {flax.__version__}, optax {optax.__version__}; I3D of width "
        f"{options.width:g}, {options.batch} x N clips of {options.frames} x "
        f"{options.size} x {options.size}, {options.repetitions} steps each"
    )
    report(compiling, seconds)


if __name__ == "__main__":
    main()

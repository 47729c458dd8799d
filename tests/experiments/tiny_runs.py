"""A tiny experiment on the synthetic person, and the command a user types."""

import os
import pathlib
import subprocess
import sys

import jax

from experiments import launch
from experiments.configs import pskd_small

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = "experiments/configs/pskd_small.py"
ROLES = ("teacher_skeleton", "teacher_fusion", "student", "student_alone")
SHAKEN = ({"function": "signals.jitter", "name": "inertial", "noise": 0.03},)
"""One augmentation that draws; compiling all of the page's takes longer than the rest."""
SETTINGS = {
    "data.subjects": 4,
    "data.trials_per_subject": 1,
    "data.align.length": 16,
    "schedule": (("teacher_skeleton", 1), ("teacher_fusion", 1), ("student", 1)),
    "rounds": 2,
    "log_every": 2,
    "eval_every": 1,
    "checkpoint_every": 3,
    "teacher_floor": 0.0,
    **{f"roles.{role}.model.widths": (4, 4, 4, 4) for role in ROLES},
    **{f"roles.{role}.batch_size": 8 for role in ROLES},
    **{f"roles.{role}.augment": SHAKEN for role in ROLES[1:]},
    "roles.teacher_skeleton.augment": (),
}
"""24 training examples: three steps an epoch, eighteen in all."""

NETWORK = dict(name="cnn1d", widths=(4, 4))
"""The quickest to compile."""


def config(**changes):
    """The tiny config; dotted paths are spelled with two underscores."""
    tiny = pskd_small.get_config()
    named = {name.replace("__", "."): value for name, value in changes.items()}
    for path, value in {**SETTINGS, **named}.items():
        *parents, last = path.split(".")
        node = tiny
        for name in parents:
            node = node[name]
        node[last] = value
    return tiny.lock()


def pair(**changes):
    """The tiny config of one teacher and its student, smaller still, not augmented."""
    own = dict(
        schedule=(("teacher_skeleton", 1), ("student", 1)),
        roles__student__teachers=("teacher_skeleton",),
        roles__teacher_skeleton__model=NETWORK,
        roles__student__model=NETWORK,
        roles__teacher_skeleton__augment=(),
        roles__student__augment=(),
    )
    return config(**own | changes)


def arguments(workdir, *more: str) -> list[str]:
    """The same experiment as arguments of the command."""
    settings = [f"--config.{path}={value}" for path, value in SETTINGS.items()]
    return [f"--config={PAGE}", f"--workdir={workdir}", *settings, *more]


def environment() -> dict[str, str]:
    """Of a child process: one CPU device, and the suite's compilation cache."""
    flags = os.environ.get("XLA_FLAGS", "").split()
    flags = [flag for flag in flags if not flag.startswith(launch.DEVICES)]
    own = {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": " ".join(flags),
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return {**os.environ, **own}


def command(*args: str) -> subprocess.CompletedProcess:
    """Runs ``python -m experiments.run`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "experiments.run", *args],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def start(*args: str) -> subprocess.Popen:
    """Starts ``python -m experiments.run``."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.run", *args],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

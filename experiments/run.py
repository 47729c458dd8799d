"""The command: ``python -m experiments.run --config=... --workdir=... --mode=...``.

A mode is a module of this package with a function ``main(config, workdir, flags)``.
A config is a Python file and is executed; run only pages that you trust.
"""

import importlib
import json
import os
import re
import sys

import ml_collections
from absl import app, flags, logging
from etils import epath
from ml_collections import config_flags

from data_pipelines.errors import DataError
from experiments import distributed
from experiments.errors import Interrupted, RunError, complain
from experiments.workdir import tuples

MODES = {
    "train": "train",
    "eval": "evaluate",
    "predict": "predict",
    "detect": "detect",
    "report": "report",
    "table": "table",
    "benchmark": "benchmark",
    "plan": "plan",
}
"""The module of this package that each mode names."""

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config page, FILE.py or FILE.py:DATASET.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_MODE = flags.DEFINE_enum("mode", "train", list(MODES), "What to do.")
_ROLE = flags.DEFINE_string("role", "student", "predict, detect: which network.")
_INPUT = flags.DEFINE_multi_string(
    "input", [], "predict: the raw files of one recording, joined by commas."
)
_BASELINE = flags.DEFINE_string(
    "baseline", "", "report: run folder of the undistilled student, if another."
)
_TABLE = flags.DEFINE_string("table", "", "table: its name in the config.")
_ROWS = flags.DEFINE_list("rows", [], "table: only these rows; all by default.")
_SEEDS = flags.DEFINE_list("seeds", ["1"], "table: seeds, joined by commas.")
_STEPS = flags.DEFINE_integer("steps", 50, "benchmark: steps that are timed.")
_APPEND = flags.DEFINE_string("append", "", "benchmark, plan: file for its line.")
_COMPARE = flags.DEFINE_string("compare", "", "benchmark: file with earlier lines.")
_PROFILE = flags.DEFINE_bool("profile", False, "benchmark: trace to WORKDIR/profile.")
_TOPOLOGY = flags.DEFINE_string("topology", "", "plan: such as v5e:16x16; or here.")
_ROLES = flags.DEFINE_list("roles", [], "plan: only these roles; all by default.")
_LARGEST = flags.DEFINE_bool("largest_batch", False, "plan: find what fits.")
_MINUTES = flags.DEFINE_float("minutes", 30.0, "plan: limit of a compilation.")
_CACHE = flags.DEFINE_string("plan_cache", "", "plan: folder of kept results.")
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error arose.")


def stored_config(workdir: epath.Path) -> ml_collections.ConfigDict:
    """The config that a run folder was made with.

    Raises:
      RunError: where the folder has none.
    """
    path = workdir / "config.json"
    if not path.exists():
        raise RunError(f"no --config was given and there is no {path}")

    config = ml_collections.ConfigDict(tuples(json.loads(path.read_text())))
    return config.lock()


def dispatch() -> None:
    """Runs the mode that the flags name."""
    measured = _MODE.value in ("benchmark", "plan") and _CONFIG.value
    if not _WORKDIR.value and not measured:
        raise RunError("--workdir is missing: the folder of the run")
    # Measuring a config needs no folder to keep anything in.
    workdir = (
        epath.Path(_WORKDIR.value).expanduser().resolve() if _WORKDIR.value else None
    )
    config = _CONFIG.value or stored_config(workdir)
    mode = importlib.import_module(f"experiments.{MODES[_MODE.value]}")
    mode.main(config, workdir, flags.FLAGS)


def sentence(error: BaseException) -> str:
    """What went wrong, in one line.

    Flag and config errors carry a traceback in their text; its last line is the error.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = re.sub(r"^\w+(Error|Exception): ", "", lines[-1]) if lines else repr(error)
    unknown = re.fullmatch(r"[\"']+(\w+)[\"']+", last)
    return f"the config has no key {unknown[1]}" if unknown else last


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; a bad one, or a config that fails to load, ends the program."""
    try:
        rest = flags.FLAGS(argv, known_only=False)
        if len(rest) > 1:
            raise flags.Error(f"not a flag: {rest[1]}")
        # A page that failed to load says so only when it is asked for.
        _ = _CONFIG.value
    except (flags.Error, LookupError, AttributeError, ValueError, OSError) as error:
        complain(sentence(error))
        sys.exit(1)
    return rest


def _main(argv: list[str]) -> None:
    del argv
    logging.use_absl_handler()
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    try:
        with distributed.joined(_MODE.value, sentence, show=_TRACEBACK.value):
            dispatch()
    except (RunError, DataError, OSError) as error:
        if _TRACEBACK.value:
            raise
        complain(sentence(error))
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: threads of libraries whose writing failed would only add tracebacks.
        # 128 + SIGTERM is what a scheduler expects of a run that it asked to end.
        os._exit(143 if isinstance(error, Interrupted) else 1)


def main() -> None:
    """Entry point of the ``kdjax`` command."""
    # XLA's chatter would hide the one sentence that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    distributed.start()
    app.run(_main, flags_parser=_parse)


if __name__ == "__main__":
    main()

"""Lines of JSON: what a benchmark or a plan holds for, and the files that keep it."""

import datetime
import json
from typing import Any

import ml_collections
from etils import epath


def described(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """A config as JSON has it, without its tables: those only list overrides of it."""
    found = json.loads(config.to_json(sort_keys=True))
    found.pop("tables", None)
    return found


def now() -> str:
    """The time of day, to the second, with its zone."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def keep(line: str, append: str, path: epath.Path | None) -> None:
    """Adds a line to the files that were asked for.

    Args:
      line: of JSON.
      append: a file; "" is none.
      path: another one, whose folder is made.
    """
    files = [epath.Path(append)] if append else []
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.append(path)
    for each in files:
        with each.open("a") as file:
            file.write(line + "\n")

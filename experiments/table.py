"""A table: rows of overrides, run over seeds, with the paper's numbers beside them.

A table of a config is a tuple of rows. A row has a ``name``, ``set`` (values by dotted
config path), ``paper`` (what the paper reports, in percent), ``roles`` (whose numbers it
shows, the student's by default), ``replay``, which maps roles to another row whose run of
the same seed they replay, and ``baseline``, true of the row that others are paired with;
or each row names another one in ``paired``.
A row with ``average`` trains nothing: it maps rows of the table to roles whose predictions
of the same seed are averaged as probabilities. Each other row and seed is a run of its own under ``workdir/row/seed_n``, which tables that name
it alike share; a finished one is not run again. With ``data_by_seed`` the seed is
added to the data's, so that every seed has people of its own.
"""

import copy
import functools
import json
import re
import statistics
import sys
from typing import Any

import ml_collections
from etils import epath
from scipy.special import log_softmax, logsumexp

from experiments import evaluate, measures, outcome, train
from experiments.build import Data, build, build_data
from experiments.checkpoints import write_text
from experiments.errors import RunError
from experiments.workdir import check_config, locked

ROW_KEYS = {"name", "roles", "set", "paper", "replay", "baseline", "paired", "average"}


def override(config: ml_collections.ConfigDict, path: str, value: Any) -> None:
    """Sets a value of a config by its dotted path; whole parts may be replaced.

    Raises:
      RunError: where the path names no key of the config.
    """
    *parents, last = path.split(".")
    node = config
    for name in parents:
        node = node.get(name)
        if not isinstance(node, ml_collections.ConfigDict):
            raise RunError(f"the table sets {path}, but the config has no {name}")
    if last not in node:
        raise RunError(f"the table sets {path}, but the config has no {last}")
    if isinstance(value, dict):
        value = ml_collections.ConfigDict(value)
    with node.unlocked():
        del node[last]
        node[last] = value


def slug(name: str) -> str:
    """A row's folder."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def row_config(
    config: ml_collections.ConfigDict, row: dict, seed: int, folder: epath.Path
) -> ml_collections.ConfigDict:
    """The config of one row and seed."""
    config = ml_collections.ConfigDict(copy.deepcopy(config.to_dict()))
    config.tables = ml_collections.ConfigDict()
    override(config, "seed", seed)
    if config.data_by_seed:
        override(config, "data.seed", config.data.get("seed", 0) + seed)
    for path, value in row.get("set", {}).items():
        override(config, path, value)
    for role, other in row.get("replay", {}).items():
        source = folder / slug(other) / f"seed_{seed}"
        override(config, f"roles.{role}.trajectory", str(source))
    return config.lock()


# Rows mostly differ in their students: their data is read, and kept in memory, once.
@functools.lru_cache(maxsize=2)
def _data(options: ml_collections.FrozenConfigDict) -> Data:
    return build_data(ml_collections.ConfigDict({"data": options}))


def shared_data(config: ml_collections.ConfigDict) -> Data:
    """The data of a row, which rows with the same options share."""
    return _data(ml_collections.FrozenConfigDict(config.data))


def run_row(
    config: ml_collections.ConfigDict, row: dict, seed: int, folder: epath.Path
) -> dict:
    """Results of one row and seed, run now unless they are there."""
    workdir = folder / slug(row["name"]) / f"seed_{seed}"
    config = row_config(config, row, seed, folder)
    with locked(workdir):
        path = workdir / "results.json"
        if path.exists():
            check_config(workdir, config)
        else:
            train.train(build(config, shared_data(config)), workdir)
        return json.loads(path.read_text())["roles"]


def average(row: dict, seed: int, folder: epath.Path) -> dict:
    """Results of the mean of what other rows predicted, as probabilities.

    Raises:
      RunError: where a run lacks its predictions, or they are of other examples.
    """
    (shown,), results = row.get("roles", ("student",)), {}
    runs = {
        folder / slug(name) / f"seed_{seed}": role
        for name, role in row["average"].items()
    }
    if not all((run / "results.json").exists() for run in runs):
        raise RunError(f"the row {row['name']} averages rows that have not been run")
    (run, role), *_ = runs.items()
    for split in json.loads((run / "results.json").read_text())["roles"][role]:
        first, *others = (
            outcome.read_predictions(run, role, split) for run, role in runs.items()
        )
        if any((other.key != first.key).any() for other in others):
            raise RunError(f"the row {row['name']} averages runs of other examples")
        answers = [log_softmax(each.logits, axis=-1) for each in (first, *others)]
        # The mean's logarithm but for a constant, which changes no number.
        mean = first._replace(logits=logsumexp(answers, axis=0))
        results[split] = evaluate.summary(mean)
    return {shown: results}


def scores(results: dict, role: str, measure: str) -> float:
    """A role's number in percent on the split it is judged by."""
    splits = results[role]
    split = splits.get("val") or splits["test"]
    return 100.0 * split[measure]


def spread(values: list[float]) -> str:
    """Mean and, of more than one seed, standard deviation."""
    mean = f"{statistics.fmean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def lines(
    rows: list[dict],
    found: dict[str, list[dict]],
    baseline: str,
    *,
    shown: tuple[str, ...] = measures.USUAL,
) -> list[str]:
    """The table as Markdown; the first measure shown is paired by seed with `baseline`.

    Only numbers of the role that the baseline reports are: "" pairs nothing. A row may
    name another baseline of its own.

    Raises:
      RunError: where a measure is unknown.
    """
    shown = measures.checked(shown)
    paired_to = f"paired to {baseline}" if baseline else "paired"
    titles = [f"{measures.NAMES[measure]} %" for measure in shown]
    head = ["row", "role", *titles, paired_to, "paper"]
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    known = {row["name"]: row for row in rows}
    for row in rows:
        name = row.get("paired", baseline)
        (base_role,) = known.get(name, {}).get("roles", ("student",))
        reference = [scores(each, base_role, shown[0]) for each in found.get(name, ())]
        for role in row.get("roles", ("student",)):
            values = {
                m: [scores(each, role, m) for each in found[row["name"]]] for m in shown
            }
            gains = [a - b for a, b in zip(values[shown[0]], reference)]
            paired = spread(gains) if gains and role == base_role else ""
            paper = " / ".join(f"{v:.2f}" for v in row.get("paper", ()))
            cells = [row["name"], role, *map(spread, values.values())]
            out.append("| " + " | ".join([*cells, paired, paper]) + " |")
    return out


def choose(
    tables: ml_collections.ConfigDict, name: str, asked: list[str]
) -> list[dict]:
    """The rows of a table that are asked for, all of them by default.

    Raises:
      RunError: where there is no such table or row, or a row has an unknown key.
    """
    if name not in tables:
        raise RunError(f"no table {name!r} in the config: one of {sorted(tables)}")
    rows = [dict(row) for row in tables[name]]
    for row in rows:
        if unknown := sorted(set(row) - ROW_KEYS):
            raise RunError(f"the row {row['name']} of the table {name} has {unknown}")
    folders = [slug(row["name"]) for row in rows]
    # A row's folder will do for its name, which may hold what the flag splits at.
    asked = [slug(each) for each in asked] or folders
    if unknown := sorted(set(asked) - set(folders)):
        raise RunError(f"the table {name} has no rows {unknown}: {folders}")
    return [row for row, folder in zip(rows, folders) if folder in asked]


def main(config: ml_collections.ConfigDict, workdir: epath.Path, flags: Any) -> None:
    """Runs a table of the config, row by row and seed by seed, and prints it."""
    wanted = choose(config.tables, flags.table, flags.rows)
    try:
        seeds = [int(seed) for seed in flags.seeds]
    except ValueError as error:
        raise RunError(f"--seeds: {error}") from error
    found, (measure, *_) = {}, config.measures
    for seed in seeds:
        for row in wanted:
            take = average if "average" in row else functools.partial(run_row, config)
            results = take(row, seed, workdir)
            found.setdefault(row["name"], []).append(results)
            parts = (
                f"{role} {scores(results, role, measure):.2f} %"
                for role in row.get("roles", ("student",))
            )
            print(f"{row['name']}, seed {seed}: {', '.join(parts)}", file=sys.stderr)
    baseline = next((row["name"] for row in wanted if row.get("baseline")), "")
    text = "\n".join(lines(wanted, found, baseline, shown=tuple(config.measures)))
    print(text)
    write_text(workdir / f"{flags.table}.md", text + "\n")
    write_text(
        workdir / f"{flags.table}.json", json.dumps({"seeds": seeds, "rows": found})
    )

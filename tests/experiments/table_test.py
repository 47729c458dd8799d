"""Tables: overrides, pairing by seed, what is run and what is written."""

import json
import re
import types

import ml_collections
import pytest
from etils import epath

from experiments import table, train
from experiments.configs import common
from experiments.errors import RunError
from experiments.workdir import check_config
from tests.experiments import tiny_runs


def config_of(*rows):
    """A config of one student and its teacher, with a table."""
    config = common.base(common.data("synthetic"))
    student = common.role(
        method=dict(name="supervised", label_smoothing=0.1),
        model=dict(name="cnn1d", widths=(4,)),
        inputs=("inertial",),
        optimizer=common.adamw(1e-3, weight_decay=0.0),
    )
    config.roles = dict(teacher=dict(student), student=student)
    config.schedule = (("student", 2),)
    config.tables = dict(main=rows, other=rows[:1])
    return config.lock()


def flags(name="main", rows=(), seeds=("1",)):
    return types.SimpleNamespace(table=name, rows=list(rows), seeds=list(seeds))


def test_a_value_is_set_by_its_path():
    config = config_of()
    table.override(config, "roles.student.batch_size", 4)
    table.override(config, "schedule", (("teacher", 1), ("student", 1)))
    # Another type is no obstacle: a row may turn one into a half.
    table.override(config, "roles.student.optimizer.weight_decay", 1)
    assert config.roles.student.batch_size == 4
    assert config.schedule == (("teacher", 1), ("student", 1))
    assert config.roles.student.optimizer.weight_decay == 1
    assert config.roles.teacher.batch_size == 32


def test_a_subtree_is_replaced_and_not_merged():
    config = config_of()
    method = dict(name="distill", adapter=dict(name="Embed"))
    table.override(config, "roles.student.method", method)
    assert config.roles.student.method.to_dict() == method
    assert isinstance(config.roles.student.method.adapter, ml_collections.ConfigDict)
    assert config.roles.teacher.method.name == "supervised"
    assert config.is_locked and config.roles.student.is_locked


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("rouds", "rouds"),
        ("roles.student.bach_size", "bach_size"),
        ("roles.pupil.batch_size", "pupil"),
        ("seed.value", "seed"),
    ],
)
def test_an_unknown_path_is_refused(path, missing):
    with pytest.raises(RunError, match=f"sets {path}, but the config has no {missing}"):
        table.override(config_of(), path, 1)


def test_a_row_config_leaves_the_page_alone():
    row = {
        "name": "PSKD(1)",
        "set": {"rounds": 3},
        "replay": {"teacher": "Both Teachers"},
    }
    page = config_of(row)
    before = page.to_json()
    config = table.row_config(page, row, 7, epath.Path("runs"))
    assert page.to_json() == before
    assert config.seed == 7 and config.rounds == 3 and config.is_locked
    assert config.roles.teacher.trajectory == "runs/both_teachers/seed_7"
    assert config.roles.student.trajectory == ""
    # Whichever table names a row, its run is the same.
    assert not config.tables


def test_every_seed_has_data_of_its_own_where_the_page_says_so():
    page = ml_collections.ConfigDict(config_of().to_dict())
    page.data.seed, row = 5, {"name": "Student"}
    configs = []
    for own in (False, True):
        page.data_by_seed = own
        configs.append(table.row_config(page, row, 7, epath.Path("runs")))
    assert [(each.seed, each.data.seed) for each in configs] == [(7, 5), (7, 12)]
    page.data = common.data("utd_mhad")
    with pytest.raises(RunError, match="the table sets data.seed, but"):
        table.row_config(page, row, 7, epath.Path("runs"))


def test_folders_are_plain_names():
    assert table.slug("ACS, PSKD(1)") == "acs_pskd_1"
    assert table.slug("Student alone") == "student_alone"


def result(accuracy, split="test", role="student", f1=0.5):
    return {role: {split: {"accuracy": accuracy, "macro_f1": f1}}}


def test_scores_are_percents_of_the_split_a_role_is_judged_by():
    results = {**result(0.25), **result(0.5, role="teacher")}
    assert table.scores(results, "student", "accuracy") == 25.0
    assert table.scores(results, "teacher", "macro_f1") == 50.0
    # A held-out split, where there is one, keeps the test split unseen.
    results["student"]["val"] = {"accuracy": 0.75}
    assert table.scores(results, "student", "accuracy") == 75.0


def test_spread_is_mean_and_sample_deviation():
    # Deviations -1, 0, 1: the variance over n - 1 is 1.
    assert table.spread([89.0, 90.0, 91.0]) == "90.00 ± 1.00"
    assert table.spread([1.0, 3.0]) == "2.00 ± 1.41"
    assert table.spread([88.456]) == "88.46"


ROWS = (
    {"name": "Teachers", "roles": ("teacher",)},
    {"name": "Student alone", "baseline": True},
    {"name": "ACS", "paper": (95.19, 95.67)},
)


def cells(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_lines_pair_students_by_seed_with_the_baseline():
    found = {
        "Teachers": [result(0.95, role="teacher"), result(0.97, role="teacher")],
        "Student alone": [result(0.80), result(0.90)],
        "ACS": [result(0.83, f1=0.6), result(0.91, f1=0.7)],
    }
    head, rule, *rows = table.lines(list(ROWS), found, "Student alone")
    assert cells([head])[0] == [
        *("row", "role", "accuracy %", "macro F1 %"),
        *("paired to Student alone", "paper"),
    ]
    assert re.fullmatch(r"\|(---\|){6}", rule)
    assert cells(rows) == [
        ["Teachers", "teacher", "96.00 ± 1.41", "50.00 ± 0.00", "", ""],
        ["Student alone", "student", "85.00 ± 7.07", "50.00 ± 0.00", "0.00 ± 0.00", ""],
        # Gains of 3 and 1 points: mean 2, deviation sqrt(2), far below either row's.
        [
            *("ACS", "student", "87.00 ± 5.66", "65.00 ± 7.07"),
            *("2.00 ± 1.41", "95.19 / 95.67"),
        ],
    ]


def test_the_order_of_rows_does_not_matter_to_the_pairing():
    found = {
        "Teachers": [result(0.95, role="teacher")],
        "Student alone": [result(0.80)],
        "ACS": [result(0.83)],
    }
    rows = table.lines(list(ROWS[::-1]), found, "Student alone")[2:]
    assert [row[4] for row in cells(rows)] == ["3.00", "0.00", ""]


def test_a_row_can_be_paired_with_another_than_the_rest():
    rows = [
        {"name": "A alone", "paired": "A alone"},
        {"name": "A taught", "paired": "A alone"},
        {"name": "B alone", "paired": "B alone"},
        {"name": "B taught", "paired": "B alone"},
        {"name": "Unpaired", "paired": ""},
    ]
    values = dict(zip([row["name"] for row in rows], (0.5, 0.6, 0.2, 0.1, 0.9)))
    found = {name: [result(value)] for name, value in values.items()}
    head, _, *printed = table.lines(rows, found, "")
    assert cells([head])[0][4] == "paired"
    assert [row[4] for row in cells(printed)] == ["0.00", "10.00", "0.00", "-10.00", ""]


def test_without_a_baseline_nothing_is_paired():
    head, _, row = table.lines([ROWS[2]], {"ACS": [result(0.8)]}, "")
    assert cells([head])[0][4] == "paired"
    assert cells([row])[0] == ["ACS", "student", "80.00", "50.00", "", "95.19 / 95.67"]


@pytest.fixture
def runs(monkeypatch):
    """Stands in for training: lists the folders it is asked to fill, and fills them."""
    asked = []

    def train_recorder(config, workdir):
        asked.append("/".join(workdir.parts[-2:]))
        check_config(workdir, config)
        accuracy = 0.5 + config.seed / 100 + 0.1 * config.rounds
        roles = {**result(accuracy), **result(accuracy, role="teacher")}
        (workdir / "results.json").write_text(json.dumps({"roles": roles}))

    monkeypatch.setattr(table, "build", lambda config, data: config)
    monkeypatch.setattr(table, "shared_data", lambda config: None)
    monkeypatch.setattr(train, "train", train_recorder)
    return asked


TABLE = (
    ROWS[0],
    ROWS[1],
    {"name": "ACS, PSKD(1)", "set": {"rounds": 2}, "replay": {"teacher": "Teachers"}},
)


def test_rows_with_the_same_data_share_it():
    one, other = (tiny_runs.config().copy_and_resolve_references() for _ in range(2))
    other.seed = 9
    shared = table.shared_data(one)
    assert table.shared_data(other) is shared
    other.data.seed = 5
    differs = table.shared_data(other)
    assert differs is not shared
    keys = {name: len(source) for name, source in shared.sources.items()}
    assert keys == {name: len(source) for name, source in differs.sources.items()}


def test_a_table_runs_every_row_and_seed_once(runs, tmp_path, capsys):
    config, folder = config_of(*TABLE), epath.Path(tmp_path)
    table.main(config, folder, flags(seeds=("1", "2")))
    names = ("teachers", "student_alone", "acs_pskd_1")
    # Seed by seed, and teachers before the rows that replay them.
    assert runs == [f"{name}/seed_{seed}" for seed in (1, 2) for name in names]
    first = (folder / "main.md").read_text()
    assert capsys.readouterr().out == first
    # 0.5 + 0.2 + seed / 100, ten points above the baseline with either seed.
    assert cells(first.splitlines())[-1][2] == "71.50 ± 0.71"
    assert cells(first.splitlines())[-1][4] == "10.00 ± 0.00"
    table.main(config, folder, flags(seeds=("1", "2", "3")))
    assert runs[6:] == [f"{name}/seed_3" for name in names]
    # Another table that names a row alike shares its runs.
    table.main(config, folder, flags("other"))
    assert len(runs) == 9
    kept = json.loads((folder / "main.json").read_text())
    assert kept["seeds"] == [1, 2, 3]
    accuracies = [
        each["student"]["test"]["accuracy"] for each in kept["rows"]["ACS, PSKD(1)"]
    ]
    assert accuracies == pytest.approx([0.71, 0.72, 0.73])


@pytest.mark.parametrize("asked", [("ACS, PSKD(1)",), ("acs_pskd_1",)])
def test_rows_are_picked_by_name_or_folder(runs, tmp_path, asked):
    folder = epath.Path(tmp_path)
    table.main(config_of(*TABLE), folder, flags(rows=asked))
    assert runs == ["acs_pskd_1/seed_1"]
    head, _, row = (folder / "main.md").read_text().splitlines()
    assert cells([head])[0][4] == "paired" and cells([row])[0][4] == ""


def test_a_run_of_another_config_is_not_taken_for_a_row(runs, tmp_path):
    folder = epath.Path(tmp_path)
    table.main(config_of(*TABLE), folder, flags())
    changed = (*TABLE[:2], {**TABLE[2], "set": {"rounds": 3}})
    with pytest.raises(RunError, match="acs_pskd_1/seed_1 holds .* rounds: 2 -> 3"):
        table.main(config_of(*changed), folder, flags())
    assert len(runs) == 3


def test_a_misspelt_key_of_a_row_is_refused(runs, tmp_path):
    rows = (*TABLE[:2], {"name": "ACS", "sets": {"rounds": 2}})
    with pytest.raises(RunError, match=r"row ACS of the table main has \['sets'\]"):
        table.main(config_of(*rows), epath.Path(tmp_path), flags())
    assert not runs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(name="table9"), r"no table 'table9' in the config: one of .*main"),
        (dict(rows=["AKS"]), r"main has no rows \['aks'\]: .*'teachers'"),
        (dict(seeds=["1", "x"]), "--seeds: .*'x'"),
    ],
)
def test_what_is_not_there_is_named_before_anything_runs(
    runs, tmp_path, options, message
):
    with pytest.raises(RunError, match=message):
        table.main(config_of(*TABLE), epath.Path(tmp_path), flags(**options))
    assert not runs


def test_a_page_names_what_its_tables_measure():
    found = {"ACS": [{"student": {"test": {"accuracy": 0.8, "mean_ap": 0.7}}}]}
    shown = ("mean_ap", "accuracy")
    head, _, row = table.lines([ROWS[2]], found, "ACS", shown=shown)
    assert cells([head])[0][2:4] == ["mAP %", "accuracy %"]
    assert cells([row])[0][2:5] == ["70.00", "80.00", "0.00"]
    for wrong in ((), ("accuracy", "speed")):
        with pytest.raises(RunError, match=r"config\.measures is"):
            table.lines([ROWS[2]], found, "", shown=wrong)

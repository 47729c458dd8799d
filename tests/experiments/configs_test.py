"""Every page: what it says, what it builds, and that it trains and resumes."""

import functools
import importlib
import inspect
import itertools
import json
import pathlib
import re

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest
from etils import epath

from data_pipelines import loader
from experiments import build, table, train
from experiments.configs import common
from experiments.errors import RunError
from experiments.state import Run
from experiments.workdir import check_config
from kdjax import core
from kdjax.models import tsn

FOLDER = pathlib.Path(common.__file__).parent
PAGES = sorted({path.stem for path in FOLDER.glob("*.py")} - {"common", "__init__"})
ROLE_KEYS = {*inspect.signature(common.role).parameters}

every_page = pytest.mark.parametrize("page", PAGES)


def module_of(page):
    return importlib.import_module(f"experiments.configs.{page}")


def small(page):
    """A page on a dozen synthetic examples, its networks as they are."""
    config = module_of(page).get_config()
    few = dict(subjects=2, trials_per_subject=1)
    if "cameras" in config.data and "overlap" in config.data:
        few = dict(subjects=3, recordings_per_subject=3, cameras=2, size=24)
    config.data.update(few)
    for role in config.roles.values():
        role.batch_size = 6
    return config


FEW = dict(widths=(4, 4, 4, 4), hidden=8)


def tiny(page):
    """The same with networks of a few channels that see signals as they are."""
    config = small(page)
    if "length" in config.data.align:
        config.data.align.length = 32
    config.update(teacher_floor=0.0, rounds=1)
    # Undistilled it is the same network: that its step fits is traced below.
    config.schedule = tuple(e for e in config.schedule if e[0] != "student_alone")
    for role in config.roles.values():
        role.model.update(FEW)
        if not role.prepare:
            # Most of the compiling is theirs; that they fit is traced below.
            role.augment = ()
    return config.lock()


def datasets():
    """Every page with each of its data sets."""
    return [(page, name) for page in PAGES for name in module_of(page).DATA]


def test_there_are_pages():
    assert {"pskd", "pskd_small", "sensor"} <= set(PAGES)


@every_page
def test_a_page_names_its_paper_and_its_command(page):
    text = inspect.getdoc(module_of(page))
    assert re.search(r"https://(doi|arxiv)\.org/\S+", text)
    commands = re.findall(r"python -m experiments\.run --config=(\S+)", text)
    datasets = [each.partition(":") for each in commands]
    assert datasets
    for file, _, dataset in datasets:
        assert file == f"experiments/configs/{page}.py"
        assert dataset in ("", *module_of(page).DATA)


@pytest.mark.parametrize(("page", "dataset"), datasets())
def test_a_page_is_a_config_of_every_data_set(page, dataset, tmp_path):
    config = module_of(page).get_config(dataset).lock()
    assert isinstance(config, ml_collections.ConfigDict)
    assert config.data.name == module_of(page).DATA[dataset]["name"]
    for role in config.roles.values():
        assert set(role) == ROLE_KEYS
    json.loads(config.to_json())
    # Read back from its run folder it is the same config.
    check_config(epath.Path(tmp_path), config)
    check_config(epath.Path(tmp_path), config.copy_and_resolve_references())


@every_page
def test_a_page_without_a_data_set_is_synthetic(page):
    config = module_of(page).get_config()
    assert config.to_json() == module_of(page).get_config("synthetic").to_json()


@every_page
def test_an_unknown_data_set_is_refused_in_a_sentence(page):
    with pytest.raises(ValueError) as caught:
        module_of(page).get_config("kinetics")
    known = ", ".join(module_of(page).DATA)
    assert str(caught.value) == f"no data set 'kinetics': one of {known}"


@pytest.mark.parametrize(
    ("known", "dataset"),
    [
        (known, name)
        for known in ("SIGNALS", "VIDEOS", "PAIRS", "SCENES")
        for name in vars(common)[known]
    ],
)
def test_a_data_set_knows_its_options(known, dataset):
    options = dict(vars(common)[known][dataset])
    load = build.named("data_pipelines.datasets", options.pop("name")).load
    inspect.signature(load).bind(data_dir="", holdout=(), **options)
    module = inspect.getmodule(getattr(load, "func", load))  # one may be another's
    protocol = options["protocol"]
    written = f'"{protocol}"' in inspect.getsource(module)
    assert written or protocol in module.SIZES


@pytest.mark.parametrize(
    ("page", "dataset"), [each for each in datasets() if each[1] != "synthetic"]
)
def test_a_data_set_that_is_not_prepared_says_how(page, dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("KDJAX_DATA_HOME", str(tmp_path))
    name = module_of(page).DATA[dataset]["name"]
    message = f"{name} is not prepared in .*data_pipelines.prepare --dataset={name} "
    with pytest.raises(RunError, match=message):
        build.build(module_of(page).get_config(dataset))


# The others train from their files to their reports in tests of their own, PSKD's as its
# small page, and their steps are traced below: compiling them once more takes minutes.
@pytest.mark.parametrize("page", ("pskd_small", "sensor"))
def test_a_page_steps_twice_saves_and_resumes(page, tmp_path):
    experiment = build.build(tiny(page))
    run, steps = Run(experiment, epath.Path(tmp_path)), train.compile_steps(experiment)
    for phase in experiment.phases:
        train.open_phase(run, phase)
        train.take_step(run, phase, steps)
        train.take_step(run, phase, steps)
    run.save()
    resumed = Run(experiment, epath.Path(tmp_path))
    train.open_phase(resumed, experiment.phases[-1])
    assert resumed.step == run.step == 2 * len(experiment.phases)
    for name in experiment.roles:
        assert int(resumed.states[name].step) == 2
    for each in (run, resumed):
        train.take_step(each, experiment.phases[-1], steps)
        each.close()
    jax.tree.map(
        np.testing.assert_array_equal,
        jax.device_get(run.states),
        jax.device_get(resumed.states),
    )


TRACED = {}
"""Shapes of train states, by the role's config: rows share their teachers."""


def first_state(experiment, name):
    """The shapes of a role's train state, its teachers' variables and a batch."""
    role = experiment.roles[name]
    batch = loader.gather(experiment.data.sources["train"], np.arange(role.batch_size))
    del batch["key"]
    taught = {each: first_state(experiment, each)[0] for each in role.teachers}
    frozen = {teacher: (s.params, s.state) for teacher, s in taught.items()}
    same = f"{experiment.config.data} {experiment.config.roles[name]}"
    if role.teachers or same not in TRACED:
        init = functools.partial(core.init_state, role.method, role.optimizer)
        TRACED[same] = jax.eval_shape(init, jax.random.key(0), batch, frozen)
    return TRACED[same], frozen, batch


def undifferentiated(method, optimizer, train_state, frozen, batch, key):
    """A step that takes parameters for their gradients, which take longest to trace."""
    params = train_state.params
    loss, (state, _) = method.loss(params, train_state.state, frozen, batch, key)
    assert loss.shape == () and loss.dtype == jnp.float32
    updates, opt_state = optimizer.update(params, train_state.opt_state, params)
    params = optax.apply_updates(params, updates)
    return core.TrainState(train_state.step + 1, params, state, opt_state), {}


def check_step(experiment, name, take):
    """Traces the step of a role, which gives a train state of the same shapes."""
    state, frozen, batch = first_state(experiment, name)
    role = experiment.roles[name]
    step = functools.partial(take, role.method, role.optimizer)
    after, _ = jax.eval_shape(step, state, frozen, batch, jax.random.key(0))
    assert jax.tree.map(lambda s: (s.shape, s.dtype), after) == jax.tree.map(
        lambda s: (s.shape, s.dtype), state
    )


@functools.cache
def data_of(page, build_data=build.build_data):
    """The twelve examples, aligned once for all rows."""
    return build_data(small(page))


def settings(value, path=""):
    """Every value that a row sets, with its path; numbers with a point are alike."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from settings(part, f"{path}.{name}")
    else:
        yield path, re.sub(r"\d+\.\d+(e-\d+)?", "#", repr(value))


def rows_of(page):
    """The page as it is, and rows of its tables: each setting of each is in one of them.

    What cameras see of each other changes no program, nor does the name of a row.
    """
    rows, seen = {f"{page}-itself": {"name": "", "roles": ()}}, set()
    for row in itertools.chain(*module_of(page).get_config().tables.values()):
        made = dict(row.get("set", {}), roles=row.get("roles"))
        made["replay"] = sorted(row.get("replay", {}))
        made = {s for s in settings(made) if s[0] != ".data.overlap"}
        if "average" not in row and made - seen:
            seen |= made
            rows[f"{page}-{table.slug(row['name'])}"] = row
    return [pytest.param(page, row, id=name) for name, row in rows.items()]


@pytest.mark.parametrize(("page", "row"), [*itertools.chain(*map(rows_of, PAGES))])
def test_a_row_builds_and_its_steps_fit(page, row, monkeypatch):
    monkeypatch.setattr(build, "build_data", lambda config: data_of(page))
    config = table.row_config(small(page), row, 1, epath.Path("runs"))
    with config.unlocked():
        for role in config.roles.values():
            role.batch_size = 6
            axis = role.model.get("norm_axis")
            if role.model.name == "i3d" and not axis:
                # Its sixty convolutions take long to trace: ntu_run_test does it once.
                role.model = dict(name="posec3d", width=4, blocks=(1,))
    monkeypatch.setitem(tsn.DEPTHS, 18, ((1, 1, 1, 1), False))  # alike in a stage
    experiment = build.build(config)
    students = {role for phase in experiment.phases for role in phase.roles}
    # Every loss has a test of its gradient: the page's own are traced, for all rows.
    take = undifferentiated if row["name"] else core.train_step
    for role in students - set(row.get("replay", ())):
        check_step(experiment, role, take)
    for role in row.get("roles", ("student",)):
        assert role in students


@every_page
def test_tables_share_rows_and_refer_to_each_other(page):
    folders, tables = {}, module_of(page).get_config().tables
    every = {row["name"] for rows in tables.values() for row in rows}
    for rows in tables.values():
        names = [row["name"] for row in rows]
        assert len({table.slug(name) for name in names}) == len(names)
        assert sum(row.get("baseline", False) for row in rows) <= 1
        for position, row in enumerate(rows):
            assert row.get("paired", "") in ("", *every)
            # A row of the same folder in another table is the same run.
            for other in row.get("average", ()):
                assert other in names[:position]
            run = {key: row.get(key) for key in ("set", "replay")}
            assert folders.setdefault(table.slug(row["name"]), run) == run
            for role, other in row.get("replay", {}).items():
                earlier = dict(zip(names[:position], rows))[other]
                assert earlier["set"][f"roles.{role}.keep"] in ("all", "last")
            # `--rows` splits at commas.
            assert "," not in row["name"]


def test_the_small_page_is_the_large_one_with_other_teachers():
    large, small = (module_of(page).get_config() for page in ("pskd", "pskd_small"))
    assert large.roles.student == small.roles.student
    for name in ("teacher_skeleton", "teacher_fusion"):
        ours, theirs = (dict(page.roles[name]) for page in (large, small))
        assert ours.pop("model") != theirs.pop("model") and ours == theirs


def test_progressive_rows_train_every_role_for_the_same_epochs():
    page = module_of("pskd_small")
    tables = page.get_config().tables
    for name in ("table4", "figure5", "readings", "backbones"):
        for row in tables[name]:
            config = table.row_config(page.get_config(), row, 1, epath.Path("runs"))
            epochs = dict.fromkeys(config.roles, 0)
            for phase in build.parse_schedule(config):
                for role in phase.roles:
                    epochs[role] += phase.epochs
            assert {n for n in epochs.values() if n} == {page.EPOCHS}, row["name"]

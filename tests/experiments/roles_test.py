"""How roles compute: parts, groups, policies and types from a config of any age."""

import inspect
import json
import re

import jax
import numpy as np
import pytest
from etils import epath

from experiments import build, roles, run, train, workdir
from experiments.configs import common
from experiments.errors import RunError
from experiments.state import Run
from kdjax import core
from tests.experiments import tiny_runs

RELATION = dict(name="distill", term="relation", term_weight=1.0)


def config(**changes):
    """A student alone, or another of one teacher, of the options to be tried."""
    own = dict(schedule=(("student_alone", 1),), roles__student_alone__batch_size=16)
    return tiny_runs.config(**own | changes)


def alone(**changes):
    return config(**{f"roles__student_alone__{k}": v for k, v in changes.items()})


def related(**changes):
    """A student whose loss compares the examples of a batch."""
    changed = {f"roles__student__{name}": value for name, value in changes.items()}
    return tiny_runs.pair(
        roles__student__method=RELATION, roles__student__batch_size=16, **changed
    )


def stripped(text):
    """The config as it was written before the keys were there."""
    old = json.loads(text)
    for role in old["roles"].values():
        for name in roles.ADDED:
            del role[name]
    return old


def test_what_absence_means_is_what_a_new_role_says():
    said = inspect.signature(common.role).parameters
    for name, value in roles.ADDED.items():
        assert said[name].default == value


def test_a_config_of_before_builds_and_goes_on(tmp_path):
    folder, now = epath.Path(tmp_path), config()
    old = stripped(now.to_json())
    (folder / "config.json").write_text(json.dumps(old))
    stored = run.stored_config(folder)
    made, before = (build.build(each).roles["student_alone"] for each in (now, stored))
    assert before.accumulate == made.accumulate == 1
    workdir.check_config(folder, stored)
    workdir.check_config(folder, now)
    with pytest.raises(RunError, match=r"student_alone\.accumulate: 1 -> 2"):
        workdir.check_config(folder, alone(accumulate=2))


def network_of(settings):
    """The network that the method of the lonely student was made with."""
    data = build.build_data(settings)
    return build.build_network(
        "roles.student_alone", settings.roles.student_alone, data.dataset
    )


def test_a_network_computes_as_its_role_says():
    assert network_of(config()).module.dtype == "float32"
    network = network_of(
        alone(dtype="bfloat16", remat="products_saveable", statistics_groups=2)
    )
    assert network.module.dtype == "bfloat16"
    assert network.module.remat == "products_saveable"
    assert network.groups == 2


def test_what_a_model_says_goes_before_its_role():
    own = dict(tiny_runs.NETWORK, dtype="float32")
    assert network_of(alone(dtype="bfloat16", model=own)).module.dtype == "float32"


def test_everything_at_once_takes_a_step(tmp_path, monkeypatch):
    traced, step = [], core.train_step
    monkeypatch.setattr(
        core, "train_step", lambda *args, **kw: traced.append(1) or step(*args, **kw)
    )
    settings = alone(
        accumulate=2,
        dtype="bfloat16",
        remat="nothing_saveable",
        statistics_groups=4,
        model=tiny_runs.NETWORK,
        augment=(),
    )
    experiment = build.build(settings)
    steps = train.compile_steps(experiment)
    train.check_steps(experiment, steps)
    started, phase = Run(experiment, epath.Path(tmp_path)), experiment.phases[0]
    before = jax.device_get(started.states["student_alone"].params)
    train.open_phase(started, phase)
    train.take_step(started, phase, steps)
    started.pending.flush()
    state = started.states["student_alone"]
    started.close()
    assert int(state.step) == 1
    assert len(traced) == 1  # when it was checked
    kinds = {leaf.dtype for leaf in jax.tree.leaves((state.params, state.state))}
    assert kinds == {np.dtype("float32")}
    moved = jax.tree.map(lambda a, b: np.any(a != b), before, state.params)
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accumulate": 0}, "student_alone.accumulate is 0, no positive number"),
        ({"accumulate": 3}, "a batch of 16 does not divide into so many parts"),
        ({"statistics_groups": 0}, "statistics_groups is 0, no positive number"),
        ({"dtype": "float16"}, "dtype is 'float16': one of ('float32', 'bfloat16')"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_built(change, message):
    with pytest.raises(RunError, match=re.escape(message)):
        build.build(alone(**change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"remat": "all"}, "config.roles.student_alone: remat is 'all': '' or one of"),
        ({"statistics_groups": 3}, "16 rows does not divide into 3 groups"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(change, message):
    experiment = build.build(alone(**change))
    with pytest.raises(RunError, match=re.escape(message)):
        train.check_steps(experiment, train.compile_steps(experiment))


def test_a_loss_that_compares_examples_sees_parts_only_where_it_is_named():
    message = "the terms ['relation'] compare the examples of a batch: of 16 they"
    with pytest.raises(RunError, match=re.escape(message)):
        build.build(related(accumulate=2))
    named = related(accumulate=2, accumulate_coupled=("relation",))
    assert build.build(named).roles["student"].accumulate == 2
    assert build.build(related()).roles["student"].accumulate == 1

"""Every training step is compiled once, whatever happens between its calls."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from etils import epath
from jax.sharding import AxisType

from experiments import build, optimizers, state, train
from experiments.stopwatch import compilations
from kdjax import core, parallel
from tests.experiments import tiny_runs

SCHEDULES = {
    "constant": {},
    "cosine": {"warmup_epochs": 1.0},
    "warm_restarts": {"restart_epochs": 2},
    "steps": dict(milestones=(0.5,)),
}
OPTIMIZERS = {
    "adamw": {"weight_decay": 0.1},
    "adam_l2": {"weight_decay": 0.1},
    "sgd": {"weight_decay": 0.1},
}


def pair():
    """A teacher and its student, one epoch each, evaluated after it."""
    return build.build(tiny_runs.pair())


def steps_of(names):
    return [name for name in names if "train_step" in name]


def take(run, name, steps, count):
    phase = build.Phase((name,), count)
    train.open_phase(run, phase)
    for _ in range(count):
        train.take_step(run, phase, steps)


def test_compilations_are_seen():
    double = jax.jit(lambda x: 2 * x)
    with compilations() as names:
        double(jnp.ones(3)), double(jnp.ones(3))
        first = len([name for name in names if "lambda" in name])
        double(jnp.ones(4))
    assert first == 1
    assert len([name for name in names if "lambda" in name]) == 2
    double(jnp.ones(5))
    assert len([name for name in names if "lambda" in name]) == 2


def test_a_step_is_compiled_once_through_evaluation_and_resuming(tmp_path):
    experiment, roles = pair(), ("teacher_skeleton", "student")
    folder = epath.Path(tmp_path)
    steps = train.compile_steps(experiment)
    seen = {}
    with compilations() as names:
        run = state.Run(experiment, folder)
        for name in roles:
            before = len(steps_of(names))
            take(run, name, steps, 1)
            seen[name] = len(steps_of(names)) - before
            take(run, name, steps, 2)
        train.evaluate_roles(run, roles)
        for name in roles:
            take(run, name, steps, 1)
        run.save()
        run.close()
        resumed = state.Run(experiment, folder)
        assert resumed.step == run.step == 4 * len(roles)
        for name in roles:
            take(resumed, name, steps, 2)
        train.evaluate_roles(resumed, roles)
        resumed.close()
    assert seen == dict.fromkeys(roles, 1)
    assert len(steps_of(names)) == len(roles)


def test_a_run_compiles_one_step_a_role(tmp_path):
    with compilations() as names:
        train.train(pair(), epath.Path(tmp_path))
    # Two rounds: each role comes back after the other was trained and evaluated.
    assert len(steps_of(names)) == 2


def test_many_devices_do_not_change_that(tmp_path, monkeypatch):
    # The compiler chooses where results live: elsewhere than it was told the
    # arguments do, and the second step would be another program.
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    monkeypatch.setattr(parallel, "data_mesh", lambda views: mesh)
    config = tiny_runs.config(
        schedule=(("student_alone", 1),),
        roles__student_alone__model=tiny_runs.NETWORK,
        roles__student_alone__augment=(),
    )
    experiment = build.build(config)
    steps = train.compile_steps(experiment)
    with compilations() as names:
        run = state.Run(experiment, epath.Path(tmp_path))
        take(run, "student_alone", steps, 2)
        run.save()
        run.close()
        resumed = state.Run(experiment, epath.Path(tmp_path))
        take(resumed, "student_alone", steps, 1)
        resumed.close()
    assert len(resumed.states["student_alone"].step.devices()) == 4
    assert len(steps_of(names)) == 1


def toy():
    """Least squares: two parameters, one statistic."""

    def init(key, batch, frozen):
        return {"w": jax.random.normal(key, (2,))}, {"mean": jnp.zeros(())}

    def loss(params, state, frozen, batch, key):
        value = jnp.mean((batch["x"] @ params["w"]) ** 2)
        return value, ({"mean": 0.9 * state["mean"] + 0.1 * value}, {"loss": value})

    return core.Method(init, loss, lambda params, state, batch: {})


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize(
    "name, schedule", list(itertools.product(OPTIMIZERS, SCHEDULES))
)
def test_no_optimizer_changes_the_types_of_its_state(name, schedule, clip_norm):
    optimizer = optimizers.make(
        name=name,
        schedule=dict(name=schedule, learning_rate=0.1, **SCHEDULES[schedule]),
        total_steps=20,
        steps_per_epoch=5,
        clip_norm=clip_norm,
        **OPTIMIZERS[name],
    )
    method, key, batch = toy(), jax.random.key(0), {"x": jnp.ones((4, 2))}

    def first():
        return core.init_state(method, optimizer, key, batch, {})

    def second():
        return core.train_step(method, optimizer, first(), {}, batch, key)[0]

    before, after = jax.eval_shape(first), jax.eval_shape(second)
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after)):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)
        # A weakly typed leaf would compile the second step anew.
        assert not old.weak_type and not new.weak_type


def test_every_part_of_the_tables_is_tried():
    assert set(OPTIMIZERS) == set(optimizers.OPTIMIZERS)
    assert set(SCHEDULES) == set(optimizers.SCHEDULES)

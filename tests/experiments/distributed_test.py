"""What processes agree on, asked of one with eight devices."""

import json
import signal
import sys
import types

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from data_pipelines import loader
from experiments import build, distributed, evaluate, state, supervise, workdir
from experiments.errors import RunError
from kdjax import parallel
from tests.experiments import processes_page


def mesh(count, views=1):
    """A mesh that the folder's single device does not replace."""
    shape = (count,) if views == 1 else (count // views, views)
    names = ("data",) if views == 1 else ("data", parallel.VIEW)
    return Mesh(np.array(jax.devices()[:count]).reshape(shape), names)


def test_a_process_holds_the_rows_of_its_devices(monkeypatch):
    every = mesh(8)
    np.testing.assert_array_equal(distributed.local_rows(every, 16), np.arange(16))
    split = mesh(8, views=2)
    np.testing.assert_array_equal(distributed.local_rows(split, 16), np.arange(16))
    # As on a TPU, where a process's chips need not be neighbours in the mesh.
    sharding = type(parallel.split_batch(every))
    whole = sharding.devices_indices_map
    monkeypatch.setattr(
        sharding,
        "addressable_devices_indices_map",
        lambda self, shape: {
            d: i for d, i in whole(self, shape).items() if d.id in (1, 2, 5)
        },
    )
    np.testing.assert_array_equal(
        distributed.local_rows(every, 16), [2, 3, 4, 5, 10, 11]
    )


@pytest.mark.parametrize(("count", "rows"), [(1, 8), (8, 8), (9, 16), (24, 24)])
def test_a_batch_grows_until_it_divides(count, rows):
    assert distributed.whole_batch(mesh(8), count) == rows
    assert distributed.whole_batch(mesh(1), count) == count


def test_a_batch_that_does_not_divide_is_refused():
    distributed.check_mesh(mesh(8), {"student": 16, "teacher": 8})
    with pytest.raises(RunError) as error:
        distributed.check_mesh(mesh(8), {"teacher": 8, "student": 12})
    assert str(error.value) == (
        "config.roles.student.batch_size is 12: it must divide by the 8 parts of 8 "
        "devices of 1 process(es)"
    )
    distributed.check_mesh(mesh(8, views=2), {"student": 12})


def test_views_over_several_processes_are_refused():
    several = types.SimpleNamespace(
        shape={"data": 4, parallel.VIEW: 2}, local_devices=[0], size=8
    )
    with pytest.raises(
        RunError, match="view_devices is 2: .* one process, which has 1"
    ):
        distributed.check_mesh(several, {})


def test_an_evaluation_pads_what_does_not_divide():
    """Twenty examples in batches of five, on eight devices as on one."""
    experiment = build.build(processes_page.get_config())
    role = experiment.roles["student_alone"]
    source = experiment.data.sources["test"]
    first = [source[i] for i in range(20)]

    class Part:
        __len__ = staticmethod(lambda: len(first))
        __getitem__ = staticmethod(first.__getitem__)

    part = loader.cache(Part())
    found = []
    for each in (mesh(1), mesh(8)):
        states = state.init_states(experiment, each)
        given = states["student_alone"]
        found.append(evaluate.predict(role.method, given, part, 5, each))
    np.testing.assert_array_equal(found[0].key, found[1].key)
    assert len(found[0].key) == 20
    np.testing.assert_allclose(found[0].logits, found[1].logits, rtol=1e-5, atol=1e-6)


def test_one_process_agrees_with_itself():
    assert distributed.agree(7) == 7
    assert not distributed.stopping([], 3)
    assert distributed.stopping([signal.SIGTERM], 4)


def test_an_error_of_a_collective_is_told_from_others():
    collective = jax.errors.JaxRuntimeError("UNAVAILABLE: connection closed by peer")
    memory = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
    assert distributed.lost_touch(collective)
    assert not distributed.lost_touch(memory)
    assert not distributed.lost_touch(ValueError("odd"))
    wrapped = RunError("cannot write a checkpoint")
    wrapped.__cause__ = collective
    assert distributed.lost_touch(wrapped)


def test_a_process_alone_raises_as_it_did(monkeypatch):
    monkeypatch.delenv(supervise.WORKER, raising=False)
    raises = pytest.raises(RunError, match="odd")
    with raises, distributed.joined("predict", str, show=False):
        raise RunError("odd")


def test_a_mode_for_one_process_is_refused_on_several(monkeypatch):
    monkeypatch.setenv(supervise.WORKER, json.dumps({}))
    raises = pytest.raises(RunError, match="--mode=report runs in one process")
    with raises, distributed.joined("report", str, show=False):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes=2"], "go together"),
        (
            ["--coordinator=127.0.0.1:1", "--processes=2", "--process=1"],
            "nothing answers at 127.0.0.1:1 within 0.2 s",
        ),
    ],
)
def test_a_start_that_cannot_succeed_ends_in_one_sentence(
    monkeypatch, capfd, arguments, message
):
    monkeypatch.delenv(supervise.WORKER, raising=False)
    monkeypatch.setattr(sys, "argv", ["run", "--join_seconds=0.2", *arguments])
    with pytest.raises(SystemExit) as ended:
        distributed.start()
    assert ended.value.code == 1
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("kdjax: ") and message in said


def test_a_process_alone_is_not_supervised(monkeypatch):
    monkeypatch.delenv(supervise.WORKER, raising=False)
    monkeypatch.setattr(sys, "argv", ["run", "--mode=train", "--config=page.py"])
    assert distributed.start() is None


def test_another_config_than_that_of_process_0_is_refused(tmp_path, monkeypatch):
    path = workdir.epath.Path(tmp_path) / "config.json"
    path.write_text("{}")
    workdir.check_shared(path, "{}")
    monkeypatch.setattr(distributed, "agree", lambda number: number + 1)
    with pytest.raises(RunError, match="another config than process 0"):
        workdir.check_shared(path, "{}")


def test_a_folder_that_others_do_not_see_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workdir, "NETWORK_DELAY", 0.2)
    for path in (tmp_path / "config.json", tmp_path / "none" / "config.json"):
        if path.parent.exists():
            path.write_text("of a run on this machine")
        with pytest.raises(RunError, match="not the folder that process 0 writes to"):
            workdir.check_shared(workdir.epath.Path(path), "{}")

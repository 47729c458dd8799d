"""Benchmarks: what is timed, what is refused, and what is printed."""

import copy
import json
import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from experiments import benchmark, build, stopwatch, throughput
from experiments.configs import cmmvl
from experiments.errors import RunError
from experiments.state import init_states, make_loader
from experiments.train import compile_steps
from kdjax import parallel
from tests.experiments import tiny_runs

PARTS = {"model_only", "input_only", "end_to_end"}
SPEED = {"p50_ms", "p90_ms", "p99_ms", "mean_ms", "examples_per_second"}


config = tiny_runs.pair


@pytest.fixture(scope="module")
def experiment():
    return build.build(config())


@pytest.fixture(scope="module")
def found(experiment):
    """Both roles, measured over a few steps."""
    return dict(benchmark.run(experiment, 4, None))


@pytest.fixture(scope="module")
def start(experiment):
    """Mesh, train states and steps, made once."""
    mesh = parallel.data_mesh()
    return mesh, init_states(experiment, mesh), compile_steps(experiment)


@pytest.fixture
def bench(experiment, start):
    """Where one measurement can be made; steps take the states' memory away."""
    mesh, states, steps = start
    states = jax.tree.map(jnp.copy, states)
    with stopwatch.compilations() as compiled:
        yield throughput.Bench(experiment, mesh, states, steps, 3, compiled, None)


class Changed:
    """A loader that delivers something else from one batch on, or delivers it late."""

    def __init__(self, loader, *, change=lambda batch: batch, after=0, delay=0.0):
        self.loader, self.change, self.after = loader, change, after
        self.delay, self.count = delay, 0

    def __next__(self):
        time.sleep(self.delay)
        self.count += 1
        batch = next(self.loader)
        return self.change(batch) if self.count > self.after else batch

    def get_state(self):
        return self.loader.get_state()

    def close(self):
        self.loader.close()


def replace_loader(monkeypatch, **options):
    """Changes every loader from here on; the list of them grows as they are made."""
    made = []

    def make(*arguments):
        made.append(Changed(make_loader(*arguments), **options))
        return made[-1]

    monkeypatch.setattr(throughput, "make_loader", make)
    return made


def test_every_trained_role_is_measured(found):
    assert list(found) == ["teacher_skeleton", "student"]
    for role in found.values():
        assert set(role) >= PARTS
        for part in PARTS:
            assert SPEED <= set(role[part])
            assert 0 < role[part]["p50_ms"] <= role[part]["p90_ms"]
            assert role[part]["p90_ms"] <= role[part]["p99_ms"]
        assert role["recompilations"] == 0
        assert role["compile_seconds"] > 0
        assert 0 <= role["input_wait"] <= 1
        assert role["batch"]["inertial"] == "float32[8, 16, 3]"
        assert role["products"] == ["f32"]
        # On a CPU the peak is unknown, and with it the share of it.
        assert role["model_only"]["mfu"] == role["arithmetic"] == "unknown"
        assert role["peak_memory_of"] == "process, resident"
        assert role["peak_memory_bytes"] > 50 * 2**20
    assert {"loss_only", "teachers_only"} <= set(found["student"])
    assert not {"loss_only", "teachers_only"} & set(found["teacher_skeleton"])


def test_the_floating_point_operations_are_those_of_the_network(found):
    # Two convolutions of kernel 7 over 16 and 8 steps, on 25 joints x 3 = 75 channels
    # and on 4, then 4 -> 256 -> 12 units: a multiplication and an addition each, in 8
    # examples. A step is one forward pass and two products of that size for gradients,
    # the first convolution's only to its weights.
    first, rest = 16 * 7 * 75 * 4, 8 * 7 * 4 * 4 + 4 * 256 + 256 * 12
    products = 2 * 8 * (2 * first + 3 * rest)
    flops = found["teacher_skeleton"]["flops_per_step"]
    # At the ends of time the kernels meet padding, which is not counted.
    assert 0.7 * products < flops < products
    role = found["teacher_skeleton"]["model_only"]
    expected = flops / (role["mean_ms"] / 1e3) / 1e12
    assert role["tflops_per_second_per_device"] == pytest.approx(expected)


def test_what_happens_before_the_network_is_measured_by_itself():
    page = cmmvl.get_config()
    page.data.update(subjects=2, trials_per_subject=1, size=24)
    page.roles.teacher.batch_size = 2
    experiment, mesh = build.build(page), parallel.data_mesh()
    bench = throughput.Bench(experiment, mesh, {}, {}, 1, [], None)
    batch = throughput.one_batch(bench, "teacher")
    parts = dict(throughput.shown(bench, "teacher", batch))
    assert list(parts) == ["augment_only", "heatmaps_only"]
    assert parts["heatmaps_only"]()["heatmaps"].shape == (2, 16, 24, 24, 25)
    assert list(throughput.shown(bench, "student", batch)) != []
    quiet = build.build(config())
    bench = bench._replace(experiment=quiet)
    assert list(throughput.shown(bench, "student", {})) == []


def test_replayed_roles_are_not_measured():
    both = config(roles__teacher_skeleton__trajectory="elsewhere")
    assert benchmark.trained(build.build(both)) == ["student"]
    neither = config(
        roles__teacher_skeleton__trajectory="elsewhere",
        roles__student__trajectory="elsewhere",
    )
    with pytest.raises(RunError, match="all are replayed"):
        next(benchmark.run(build.build(neither), 1, None))


def test_speed_is_of_the_whole_time():
    # Four steps of 10 ms and one of 60: 5 x 8 examples in 0.1 s.
    speed = throughput.speed(np.array([0.01, 0.01, 0.06, 0.01, 0.01]), 8, 4)
    assert speed["p50_ms"] == pytest.approx(10.0)
    assert speed["mean_ms"] == pytest.approx(20.0)
    # Linear interpolation between the two largest: 10 + 0.6 x 50.
    assert speed["p90_ms"] == pytest.approx(40.0)
    assert speed["examples_per_second"] == pytest.approx(400.0)
    assert speed["examples_per_second_per_device"] == pytest.approx(100.0)


def test_a_slow_loader_is_what_the_loop_waits_for(bench, monkeypatch):
    replace_loader(monkeypatch, delay=0.2)
    seconds, share = throughput.end_to_end(bench, "teacher_skeleton")
    assert share > 0.5
    assert seconds.sum() >= 3 * 0.2


@pytest.mark.parametrize("kept", [True, False])
def test_an_epoch_that_fills_the_memory_is_not_timed(bench, monkeypatch, kept):
    loaders = replace_loader(monkeypatch)
    experiment = bench.experiment
    config = copy.deepcopy(experiment.config)
    config.data.cache = kept
    bench = bench._replace(experiment=experiment._replace(config=config))
    seconds = throughput.input_only(bench, "teacher_skeleton")
    assert len(seconds) == bench.count
    epoch = experiment.roles["teacher_skeleton"].steps_per_epoch
    (loader,) = loaders
    assert loader.count == kept * epoch + stopwatch.WARM_UP + bench.count


def test_metrics_are_fetched_at_log_lines_only(bench, monkeypatch):
    flushed = []
    monkeypatch.setattr(throughput.Pending, "flush", lambda self: flushed.append(self))
    throughput.end_to_end(bench, "teacher_skeleton")
    # log_every is 2, and 5 + 3 steps are taken.
    assert len(flushed) == 4


def test_a_batch_of_another_shape_is_named(bench, monkeypatch):
    def doubled(batch):
        return {name: np.concatenate([rows, rows]) for name, rows in batch.items()}

    replace_loader(monkeypatch, change=doubled, after=stopwatch.WARM_UP + 1)
    # Every array of the batch is longer; the first one by name is reported.
    changed = (
        r"step 7 .*\['batch'\]\['inertial'\] was float32\[8, 16, 3\].*float32\[16,"
    )
    with pytest.raises(RunError, match=changed):
        throughput.end_to_end(bench, "teacher_skeleton")


def test_a_profile_is_written_where_it_is_asked_for(bench, tmp_path):
    profile = epath.Path(tmp_path) / "profile"
    throughput.end_to_end(bench._replace(profile=profile), "teacher_skeleton")
    assert list(profile.glob("teacher_skeleton/plugins/profile/*/*.xplane.pb"))


@pytest.fixture
def printed(found, monkeypatch, capsys):
    """Runs the mode on numbers that are measured already; the lines it prints."""
    monkeypatch.setattr(benchmark, "run", lambda *arguments: found.items())

    def call(workdir=None, **changes):
        flags = dict(steps=4, append="", compare="", profile=False)
        flags = types.SimpleNamespace(**{**flags, **changes})
        benchmark.main(config(), workdir and epath.Path(workdir), flags)
        return capsys.readouterr().out.splitlines()

    return call


def test_a_table_and_one_line_of_json_are_printed(printed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    *table, last = printed()
    record = json.loads(last)
    assert not any(line.startswith("{") for line in table)
    assert set(record["roles"]) == {"teacher_skeleton", "student"}
    device = {"platform": "cpu", "kind": "cpu", "count": 1, "processes": 1}
    assert record["device"] == device | {"mesh": {"data": 1}}
    versions = {"python", "kdjax", "jax", "jaxlib", "flax", "numpy"}
    assert versions <= set(record["versions"])
    assert record["config"]["roles"]["student"]["model"]["widths"] == [4, 4]
    text = "\n".join(table)
    for word in ("model only", "input only", "end to end", "teachers only", "unknown"):
        assert word in text
    assert "recompilations: none" in text
    assert not list(tmp_path.iterdir())


def test_lines_are_kept_and_compared(printed, tmp_path):
    file = tmp_path / "speed.jsonl"
    first = printed(append=str(file))[-1]
    assert file.read_text() == first + "\n"
    slower = json.loads(first)
    key = "examples_per_second"
    slower["roles"]["student"]["end_to_end"][key] /= 2
    slower["versions"]["jax"] = "0.9"
    other = json.loads(first)
    other["config"]["seed"] = 2
    file.write_text(f"{first}\n{json.dumps(slower)}\n{json.dumps(other)}\n")
    text = "\n".join(printed(compare=str(file), append=str(file)))
    assert "student: model only 1.00, input only 1.00, end to end 2.00" in text
    assert "jax 0.9 -> " in text
    assert len(file.read_text().splitlines()) == 4


def test_a_file_without_such_a_line_is_said_to_have_none(printed, tmp_path):
    file = tmp_path / "speed.jsonl"
    file.write_text("")
    text = "\n".join(printed(compare=str(file)))
    assert f"{file} has no line of this config" in text
    file.write_text("{}\n")
    with pytest.raises(RunError, match="line 1 is no benchmark"):
        printed(compare=str(file))


def test_a_workdir_keeps_the_line(printed, tmp_path):
    last = printed(workdir=tmp_path / "run")[-1]
    assert (tmp_path / "run" / "benchmark.jsonl").read_text() == last + "\n"
    assert len(list((tmp_path / "run").iterdir())) == 1


def test_what_cannot_be_measured_is_refused(printed):
    with pytest.raises(RunError, match="--steps=0 is not positive"):
        printed(steps=0)
    with pytest.raises(RunError, match="--profile needs a --workdir"):
        printed(profile=True)

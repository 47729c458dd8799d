"""Plans: what is asked of the compiler, printed, kept and refused."""

import json
import types

import pytest
from etils import epath

from experiments import plan
from experiments.errors import RunError
from tests.experiments import tiny_runs

GIB = 2**30
PARTS = 8


def compiled(batch_size, *, fixed=2 * GIB, each=GIB, capacity=16 * GIB):
    """What a compiler could say of a step on eight chips of v5e."""
    peak = fixed + batch_size // PARTS * each
    found = dict(
        batch_size=batch_size,
        batch={"inertial": f"float32[{batch_size}, 128, 3]"},
        teachers=["teacher_fusion"],
        training_examples=1000,
        outline=True,
        device=dict(
            platform="tpu",
            kind="TPU v5 lite",
            count=PARTS,
            processes=2,
            mesh={"data": PARTS},
        ),
        model_flops=1.97e12,
        products=["f32"],
        arithmetic="bfloat16",
        fits=peak <= capacity,
        cached=False,
    )
    if peak > capacity:
        return {**found, "needs": "20.83G of 15.75G"}
    return found | dict(
        compile_seconds=30.0,
        bytes_accessed=8.19e9,
        memory=dict(arguments=fixed, outputs=0, temporaries=peak - fixed, peak=peak),
        cycles=30_000_000,
        costliest=[
            dict(operation="jvp(Model)/dot_general", runs=12, cycles=15_000_000),
            dict(operation="x" * 100, runs=1, cycles=3_000_000),
        ],
        collectives={"all-reduce": dict(count=3, bytes=8_000_000)},
        unestimated={"sort": 2},
        loops=3,
        unknown_loops=1,
    )


@pytest.fixture
def planned(monkeypatch, capsys):
    """Runs the mode on a compiler of one's own; what was asked, and the lines printed."""

    def call(workdir=None, config=None, compiler=compiled, **changes):
        flags = dict(topology="", roles=["student"], largest_batch=False, minutes=30.0)
        flags |= dict(plan_cache="", append="") | changes
        asked = []

        def ask(config, name, topology, *, minutes, cache):
            asked.append((name, config.roles[name].batch_size))
            return compiler(config.roles[name].batch_size)

        monkeypatch.setattr(plan.compiler, "ask", ask)
        page = tiny_runs.pair(roles__student__batch_size=32) if not config else config
        folder = workdir and epath.Path(workdir)
        plan.main(page, folder, types.SimpleNamespace(**flags))
        return asked, capsys.readouterr().out.splitlines()

    return call


def test_a_table_and_one_line_of_json_are_printed(planned):
    asked, (*table, last) = planned()
    assert asked == [("student", 32)]
    record, text = json.loads(last), "\n".join(table)
    assert not any(line.startswith("{") for line in table)
    assert "nothing was run or measured" in record["note"] and record["note"] in text
    assert record["config"]["roles"]["student"]["batch_size"] == 32
    made = record["roles"]["student"]
    assert made["step_ms"] == pytest.approx(20.07)
    assert made["mfu"] == pytest.approx(10 / 20.07)
    for line in (
        "devices:          8 x TPU v5 lite in 2 process(es); mesh data 8",
        "taught by:        teacher_fusion",
        "float32[32, 128, 3]; shapes of the official recordings, none was read",
        "1,970.000 GFLOP; products of f32 in bfloat16, peak 197.0 TFLOP/s",
        "bytes accessed:   7.63 GiB, the bodies of 3 loops once",
        "6.00 GiB of 16.00 GiB (38%) at its peak; arguments 2.00 GiB, temporaries 4.00",
        "collectives:      3 x all-reduce, 8 MiB",
        "step, estimated:  20.070 ms: operations 20.000 ms at 1.50 GHz, collectives",
        "collectives at least 0.070 ms if nothing hides them",
        "predicted:        MFU 49.8%, 1,594.4 examples/s",
        "roofline floor:   10.000 ms: FLOPs 10.000 ms, bytes 10.000 ms; the estimate",
        "the estimate is 2.01 times that",
        " 50.0%    12 x  jvp(Model)/dot_general",
        " 10.0%     1 x  ..." + 71 * "x",
        "without an estimate: 2 sort",
        "1 loops of unknown length are counted once",
    ):
        assert line in text


def test_what_is_not_known_is_said_to_be_unknown(planned):
    def cpu(batch_size):
        found = compiled(batch_size)
        found["device"]["kind"] = "cpu"
        changes = dict(arithmetic=None, cycles=None, costliest=[], unestimated={})
        return {**found, **changes, "memory": {}, "cached": True}

    _, lines = planned(compiler=cpu)
    text = "\n".join(lines[:-1])
    for line in (
        "compiled:         from the cache, compiled in 30 s",
        "in an unknown arithmetic, peak unknown TFLOP/s",
        "memory:           unknown",
        "step, estimated:  unknown, this compiler estimates no operations",
        "roofline floor:   unknown",
    ):
        assert line in text


def test_what_does_not_fit_is_said(planned):
    _, (*table, last) = planned(compiler=lambda size: compiled(size, each=9 * GIB))
    assert "does not fit into memory: it needs 20.83G of 15.75G" in "\n".join(table)
    assert not json.loads(last)["roles"]["student"]["fits"]


@pytest.mark.parametrize(
    "each, best, tried",
    [
        # 2 GiB and so much an example, in 16: by memory 14, 56 and 3.5 examples a chip.
        (GIB, 64, [32, 64]),
        (GIB // 4, 256, [32, 256]),
        (4 * GIB, 16, [32, 16]),
        (15 * GIB, 0, [32, 16, 8]),
    ],
)
def test_the_largest_batch_is_found(planned, each, best, tried):
    asked, (*table, last) = planned(
        compiler=lambda size: compiled(size, each=each), largest_batch=True
    )
    made = json.loads(last)["roles"]["student"]["largest_batch"]
    assert made["batch_size"] == best
    sizes = [size for _, size in asked]
    assert sizes[: len(tried)] == tried
    # One more attempt shows that twice as much does not fit.
    assert 2 * best in sizes or best == 0
    assert f"largest batch:    {best or 'none'}" in "\n".join(table)


def test_no_batch_is_larger_than_the_training_split(planned):
    asked, (*_, last) = planned(
        compiler=lambda size: compiled(size, each=1), largest_batch=True
    )
    made = json.loads(last)["roles"]["student"]["largest_batch"]
    # Of a thousand examples 512, as 8 x 64 x 2 exceeds them.
    assert made["batch_size"] == 512
    assert max(size for _, size in asked) == 512


def test_a_batch_of_an_unknown_memory_has_no_largest(planned):
    def unknown(batch_size):
        found = compiled(batch_size)
        found["device"]["kind"] = "cpu"
        return found

    with pytest.raises(RunError, match="the memory of a cpu device is not known"):
        planned(compiler=unknown, largest_batch=True)


def test_every_role_that_is_trained_is_planned():
    page = tiny_runs.pair()
    assert plan.trained(page, []) == ["teacher_skeleton", "student"]
    assert plan.trained(page, ["student"]) == ["student"]
    replayed = tiny_runs.pair(roles__teacher_skeleton__trajectory="elsewhere")
    assert plan.trained(replayed, []) == ["student"]
    with pytest.raises(RunError, match="--roles: judge is not one of teacher_skele"):
        plan.trained(page, ["judge"])
    both = tiny_runs.pair(
        roles__teacher_skeleton__trajectory="elsewhere",
        roles__student__trajectory="elsewhere",
    )
    with pytest.raises(RunError, match="all are replayed"):
        plan.trained(both, [])


def test_the_line_is_kept_where_it_is_asked_for(planned, tmp_path):
    _, (*_, last) = planned(workdir=tmp_path / "run", append=str(tmp_path / "lines"))
    assert (tmp_path / "run" / "plan.jsonl").read_text() == last + "\n"
    assert (tmp_path / "lines").read_text() == last + "\n"


def test_what_cannot_be_planned_is_refused_before_anything_is_compiled(planned):
    with pytest.raises(RunError, match="--minutes=0.0 is not positive"):
        planned(minutes=0.0)
    with pytest.raises(RunError, match="--topology=v9:2x2: there is no such TPU"):
        planned(topology="v9:2x2")


def test_the_command_plans_a_step_here():
    page, _, *settings = tiny_runs.arguments("no folder")
    plain = "--config.roles.teacher_skeleton.augment=()"
    mode = ("--mode=plan", "--roles=teacher_skeleton")
    done = tiny_runs.command(page, *settings, plain, *mode)
    assert not done.returncode, done.stderr
    (made,) = json.loads(done.stdout.splitlines()[-1])["roles"].values()
    assert made["device"]["kind"] == "cpu" and made["model_flops"] > 0
    assert made["step_ms"] is None


def test_the_command_refuses_in_a_sentence():
    done = tiny_runs.command(
        f"--config={tiny_runs.PAGE}", "--mode=plan", "--topology=v5e:many"
    )
    assert done.returncode == 1 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("kdjax: --topology=v5e:many: there is no such TPU")

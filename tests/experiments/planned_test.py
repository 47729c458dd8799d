"""One step compiled and not run: here, for slices of TPUs, and what cannot be."""

import importlib.util
import json
import pathlib
import stat

import jax
import pytest
from etils import epath

from experiments import compiler, planned, topologies
from experiments.configs import cmmvl, pskd_small
from experiments.errors import RunError
from tests.experiments import tiny_runs

TEACHER = dict(
    # Two convolutions of kernel 7 over 16 and 8 steps, on 25 joints x 3 = 75 channels and
    # on 4, then 4 -> 256 -> 12 units: multiplications and additions in one example.
    first=2 * 16 * 7 * 75 * 4,
    rest=2 * (8 * 7 * 4 * 4 + 4 * 256 + 256 * 12),
)
config = tiny_runs.pair


@pytest.fixture(scope="module")
def teacher():
    return planned.planned(config(), "teacher_skeleton", "")


def test_the_step_of_a_role_is_compiled_for_all_devices_here(teacher):
    assert teacher["fits"] and not teacher["outline"]
    device = {"platform": "cpu", "kind": "cpu", "count": 8, "processes": 1}
    assert teacher["device"] == device | {"mesh": {"data": 8}}
    assert teacher["batch"]["skeleton"] == "float32[8, 16, 1, 25, 3]"
    assert teacher["training_examples"] == 24
    assert (teacher["products"], teacher["arithmetic"]) == (["f32"], None)
    assert teacher["bytes_accessed"] > 0
    *parts, peak = teacher["memory"].values()
    assert min(parts) > 0 and sum(parts) == peak
    # The gradient of replicated parameters is summed over the batch's parts.
    assert teacher["collectives"]["all-reduce"]["bytes"] > 0
    assert teacher["cycles"] is None
    json.dumps(teacher)


def test_model_flops_are_those_of_its_layers(teacher):
    first, rest = TEACHER["first"], TEACHER["rest"]
    # Zeros around a signal are no work: of the 7 taps 12 in 16 x 7 and in 8 x 7 pairs lie
    # outside. Backward twice as much, to the first layer's weights alone.
    first -= 2 * 12 * 75 * 4
    rest -= 2 * 12 * 4 * 4
    assert teacher["model_flops"] == 2 * first + 3 * rest


def test_a_student_is_planned_with_its_teacher_and_without_its_data(monkeypatch):
    made = planned.outlined(pskd_small.get_config("utd_mhad"))
    assert (made.data.name, made.data.of) == ("outline", "utd_mhad")
    mesh = planned.mesh_of(made, "")
    experiment = planned.build(made)
    state, frozen, batch, key = planned.arguments(experiment, "student", mesh)
    assert batch["inertial"].shape == (32, 128, 3)
    assert set(frozen) == {"teacher_skeleton", "teacher_fusion"}
    for leaf in jax.tree.leaves((state, frozen, key)):
        assert isinstance(leaf, jax.ShapeDtypeStruct)
        assert leaf.sharding.is_fully_replicated
    assert batch["inertial"].sharding.shard_shape((32, 128, 3)) == (4, 128, 3)


def test_prepared_data_is_read(tmp_path):
    page = pskd_small.get_config("utd_mhad")
    page.data.data_dir = str(tmp_path)
    assert planned.outlined(page).data.name == "outline"
    planned.stored.folder_of("utd_mhad", tmp_path).mkdir(parents=True)
    assert planned.outlined(page).data.name == "utd_mhad"
    # What needs no preparation is there already.
    assert planned.outlined(config()).data.name == "synthetic"


def test_a_batch_that_the_mesh_does_not_divide_is_refused():
    odd = config(roles__student__batch_size=12)
    refused = (
        r"roles.student.batch_size is 12 .* the 8 parts that 8 devices .*; 16 does"
    )
    with pytest.raises(RunError, match=refused):
        planned.planned(odd, "student", "")


def test_views_that_do_not_divide_the_devices_are_refused():
    page = cmmvl.get_config()
    page.view_devices = 3
    refused = "config.view_devices: 8 devices do not divide by 3 views"
    with pytest.raises(RunError, match=refused):
        planned.mesh_of(page, "")


@pytest.mark.parametrize(
    "name, reason",
    [
        ("v5e", "there is no such TPU"),
        ("v9:2x2", r"there is no such TPU.*\(v4, v5e, v5p, v6e\)"),
        ("v5litepod-16", "there is no such TPU"),
        ("v5e:2x2x2", "v5e has 2 axes"),
        ("v5p:4x4", "v5p has 3 axes"),
        ("v6e:0x4", "at least one chip"),
    ],
)
def test_slices_that_do_not_exist_are_refused(name, reason):
    with pytest.raises(RunError, match=f"--topology={name}: .*{reason}"):
        topologies.devices(name)


def test_without_the_compiler_for_tpus_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(topologies.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        RunError, match=r"not installed: pip install libtpu .*kdjax\[tpu"
    ):
        topologies.check("v5e:2x4")


FULL = "RESOURCE_EXHAUSTED: Ran out of memory"


@pytest.mark.parametrize(
    "message, needs",
    [
        (
            f"{FULL} on HBM, temporaries (20.83G) exceeds available HBM (15.75G).",
            "20.83",
        ),
        (f"{FULL} in memory space hbm. Used 21.06G of 15.75G hbm.", "21.06"),
    ],
)
def test_programs_that_do_not_fit_are_recognised(message, needs):
    assert planned.too_large(RuntimeError(message)) == f"{needs}G of 15.75G"


def test_other_errors_of_the_compiler_are_not_about_memory():
    other = RuntimeError("RESOURCE_EXHAUSTED: too much\nof it")
    assert planned.too_large(other) == "RESOURCE_EXHAUSTED: too much"
    assert planned.too_large(RuntimeError("INTERNAL: a fault")) is None


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Puts a shell script in the place of the child."""

    def put(script):
        path = pathlib.Path(tmp_path) / "child"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(compiler.sys, "executable", str(path))

    return put


REQUEST = {"config": {}, "role": "student", "topology": "v6e:2x4"}


@pytest.mark.parametrize(
    "script, sentence",
    [
        # As a compiler whose stack overflows.
        ("kill -SEGV $$", r"crashed \(SIGSEGV\) on the step of student for v6e:2x4"),
        (
            "echo 'jax.errors.SomeError: no luck' >&2; exit 3",
            r"student for v6e:2x4 could not be compiled \(exit 3: no luck\)",
        ),
        ("exit 0", r"could not be compiled \(exit 0: no reason\)"),
        ("""echo '{"error": "a sentence"}' > "$3" """, "^a sentence$"),
        ("exec sleep 60", "took more than 0.01 minutes; --minutes allows more"),
    ],
)
def test_a_child_without_a_result_is_one_sentence(child, script, sentence):
    child(script)
    with pytest.raises(RunError, match=sentence):
        compiler.compiled(REQUEST, 0.01)


def test_a_child_has_a_deep_stack_and_touches_no_device(child, monkeypatch):
    child("""echo "{\\"stack\\": \\"$(ulimit -s)/$(ulimit -H -s)\\"}" > "$3" """)
    limit, hard = compiler.compiled(REQUEST, 1.0)["stack"].split("/")
    assert limit in (hard, "unlimited")
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    assert compiler.environment("v5e:2x4")["JAX_PLATFORMS"] == "cpu"
    assert compiler.environment("")["JAX_PLATFORMS"] == "tpu"


def test_results_are_kept_by_what_they_depend_on(child, monkeypatch, tmp_path):
    child("""echo '{"fits": true}' > "$3" """)
    cache, page = epath.Path(tmp_path) / "kept", config()

    def cached(page=page, topology="v5e:2x4"):
        where = dict(minutes=1.0, cache=cache)
        return compiler.ask(page, "student", topology, **where)["cached"]

    assert [cached(), cached()] == [False, True]
    assert not cached(config(roles__student__batch_size=16))
    assert not cached(topology="v5e:4x4")
    # This machine's devices are not part of the name: nothing is kept of them.
    assert [cached(topology=""), cached(topology="")] == [False, False]
    monkeypatch.setenv("LIBTPU_INIT_ARGS", "--another")
    assert not cached()
    monkeypatch.delenv("LIBTPU_INIT_ARGS")
    assert cached()
    monkeypatch.setattr(compiler.machine, "versions", lambda: {"jax": "0.9"})
    assert not cached()
    monkeypatch.undo()
    child("exit 3")
    monkeypatch.setattr(compiler, "sources", lambda: "edited")
    with pytest.raises(RunError):
        cached()
    # A failure is not kept: the four that differ, and nothing else.
    assert len(list(cache.iterdir())) == 5


def test_results_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiler.folder("") == epath.Path(tmp_path) / "kdjax" / "plan"
    assert compiler.folder("elsewhere") == epath.Path("elsewhere")


@pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None,
    reason="libtpu, the compiler for TPUs, is not installed (pip install 'kdjax[tpu]')",
)
def test_a_step_is_compiled_for_tpus(tmp_path):
    where = dict(minutes=5.0, cache=epath.Path(tmp_path))
    made = compiler.ask(config(), "student", "v5e:2x2", **where)
    assert made["device"]["count"] == 4 and made["device"]["platform"] == "tpu"
    assert made["cycles"] > 0 and len(made["costliest"]) == 10
    assert made["collectives"]["all-reduce"]["bytes"] > 0
    assert made["arithmetic"] == "bfloat16"
    assert not made["unknown_loops"]
    with pytest.raises(RunError, match="--topology=v5e:3x7: no such slice"):
        compiler.ask(config(), "student", "v5e:3x7", **where)

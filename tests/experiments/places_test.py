"""Where a process stands, from flags and from SLURM's environment."""

import pytest

from experiments import places
from experiments.errors import RunError
from experiments.peers import Place

STEP = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "2",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "gpu[003-004]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}


def of(*arguments, **environment):
    """The place, and the other arguments."""
    return places.of(["run", *arguments], environment)[:2]


def test_flags_name_a_place_and_are_taken_out():
    found, rest = of(
        "--mode=train",
        "--coordinator=[fd00::1]:4711",
        "--processes=3",
        "--config.rounds=2",
        "--process=2",
    )
    assert found == Place("[fd00::1]:4711", 3, 2)
    assert (found.host, found.port) == ("fd00::1", 4711)
    assert rest == ["run", "--mode=train", "--config.rounds=2"]


def test_a_process_alone_has_no_place():
    assert of("--mode=train") == (None, ["run", "--mode=train"])
    one = of("--coordinator=localhost:1", "--processes=1", "--process=0")
    assert one == (None, ["run"])


def test_how_long_to_wait_is_said_by_flags():
    found = places.of(["run", "--join_seconds=3", "--silence_seconds=0.5"], {})
    assert (found.join, found.silence) == (3.0, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes=2", "--process=1"], "go together"),
        (["--coordinator=a:1", "--processes=2"], "go together"),
        (["--coordinator=a:1", "--processes=2", "--process=2"], "not below"),
        (["--coordinator=a", "--processes=2", "--process=1"], "not HOST:PORT"),
        (["--coordinator=a:99999", "--processes=2", "--process=1"], "not HOST:PORT"),
        (["--coordinator=:7", "--processes=2", "--process=1"], "not HOST:PORT"),
        (["--processes=many"], "processes"),
        (["--join_seconds=0"], "positive"),
        (["--cluster=moon"], "cluster"),
    ],
)
def test_flags_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(RunError, match=message):
        of(*arguments)


def test_slurm_names_a_place():
    found, rest = of("--mode=train", **STEP)
    assert found == Place(f"gpu003:{20000 + (1234 * 8 + 2) % 8000}", 8, 5, (1,))
    assert rest == ["run", "--mode=train"]
    assert found.coordinator == of(**{**STEP, "SLURM_PROCID": "0"})[0].coordinator
    other = of(**{**STEP, "SLURM_STEP_ID": "3"})[0]
    assert other.coordinator != found.coordinator


@pytest.mark.parametrize(
    ("change", "devices"),
    [
        ({"SLURM_STEP_NUM_NODES": "8"}, None),
        ({"CUDA_VISIBLE_DEVICES": "3"}, None),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, (1,)),
    ],
)
def test_a_process_takes_one_gpu_only_of_several_that_others_see_too(change, devices):
    assert of(**{**STEP, **change})[0].local_devices == devices


def test_one_task_of_slurm_is_a_process_alone():
    assert of(**{**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"})[0] is None
    batch_script = {k: v for k, v in STEP.items() if "STEP" not in k}
    assert of(**batch_script)[0] is None
    assert of("--cluster=none", **STEP)[0] is None


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node7", "node7"),
        ("node7,node9", "node7"),
        ("node[001-003,008],login", "node001"),
        ("rack[2,4]-a,x", "rack2-a"),
    ],
)
def test_the_first_machine_of_a_list(nodes, first):
    assert places.first_host(nodes) == first


def test_a_list_that_is_not_understood_is_refused():
    with pytest.raises(RunError, match="not understood"):
        places.first_host("[1-2]")


def test_a_platform_without_tpus_is_no_pod(monkeypatch):
    monkeypatch.setattr(places.os.path, "exists", lambda path: path == "/dev/vfio/0")
    assert places.on_tpu({}) and places.on_tpu({"JAX_PLATFORMS": "tpu,cpu"})
    assert not places.on_tpu({"JAX_PLATFORMS": "cpu"})
    monkeypatch.setattr(places.os.path, "exists", lambda path: False)
    assert not places.on_tpu({})

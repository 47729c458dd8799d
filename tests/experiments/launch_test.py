"""Runs of several processes: the same numbers as one, together and after a fault."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from etils import epath
from safetensors.numpy import load_file

from experiments import build, checkpoints, launch, train
from tests.experiments import processes_page, tiny_runs


@pytest.fixture(autouse=True, scope="module")
def one_device():
    """Here runs of one process use all eight host devices."""


def train_here(folder):
    """One process, eight devices."""
    assert len(jax.devices()) == 8
    return train.train(build.build(processes_page.get_config()), epath.Path(folder))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The whole run on one process, of six steps."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    folder.mkdir()
    train_here(folder)
    return folder


def run(folder, *, devices, fault=None):
    """The command on two processes."""
    page = [f"--config={processes_page.PATH}", f"--workdir={folder}"]
    extra = {processes_page.FAULT: fault} if fault else {}
    return subprocess.run(
        [
            *(sys.executable, "-m", "experiments.launch", "--processes=2"),
            *(f"--devices={devices}", "--", *page),
        ],
        cwd=tiny_runs.ROOT,
        env=tiny_runs.environment() | extra,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def said(done) -> list[str]:
    """The sentences of the processes, without what libraries print."""
    lines = done.stderr.splitlines()
    return sorted(line for line in lines if line.startswith("kdjax: "))


def numbers(folder) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [v for r in records for v in r.values() if not isinstance(v, str)]


def assert_the_same(folder, reference):
    found, wanted = (
        load_file(each / "models" / "student_alone.safetensors")
        for each in (folder, reference)
    )
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-5, atol=2e-6)
    assert numbers(folder) == pytest.approx(numbers(reference), rel=1e-4, abs=1e-5)


def test_two_processes_go_on_for_one_and_give_its_parameters(tmp_path, reference):
    """Two times four devices take the last three steps of what eight began."""
    folder = tmp_path / "run"
    shutil.copytree(reference, folder)
    shutil.rmtree(folder / "models")
    shutil.rmtree(folder / "predictions")
    (folder / "results.json").unlink()
    for step in (4, 5, 6):
        shutil.rmtree(folder / "checkpoints" / str(step))
        (folder / "checkpoints" / f"{step}.json").unlink()
    done = run(folder, devices=4)
    assert done.returncode == 0, done.stderr
    assert "the run goes on with {'processes': 2}, before {'processes': 1}" in (
        done.stdout
    )
    assert done.stdout.count("results: ") == 1
    assert (folder / "checkpoints" / "6" / "ocdbt.process_1").exists()
    assert_the_same(folder, reference)


@pytest.mark.parametrize(
    ("fault", "status", "sentences"),
    [
        (
            "SIGKILL",
            1,
            [
                "kdjax: process 1 on .* was ended by SIGKILL",
                "kdjax: process 1 was ended by SIGKILL",
            ],
        ),
        ("SIGTERM", 143, ["kdjax: interrupted at step [3-5]; the same command"] * 2),
    ],
)
def test_a_fault_in_one_process_ends_both_and_one_goes_on(
    tmp_path, reference, fault, status, sentences
):
    folder = tmp_path / "run"
    done = run(folder, devices=1, fault=fault)
    assert done.returncode == status, done.stderr
    found = said(done)
    assert len(found) == 2, done.stderr
    for line, sentence in zip(found, sentences):
        assert re.match(sentence, line), found
    assert not (folder / "results.json").exists()
    kept = checkpoints.steps(epath.Path(folder / "checkpoints"))[0]
    assert kept >= 1 and (fault == "SIGKILL" or str(kept) in found[0])
    train_here(folder)
    assert_the_same(folder, reference)


def test_the_devices_of_a_process_replace_those_that_were_set():
    base = {"XLA_FLAGS": f"--xla_foo=1 {launch.DEVICES}=8", "HOME": "/h"}
    assert launch.environment(base, 2) == {
        "XLA_FLAGS": f"--xla_foo=1 {launch.DEVICES}=2",
        "HOME": "/h",
        "JAX_PLATFORMS": "cpu",
    }
    assert launch.environment(base, 0)["XLA_FLAGS"] == base["XLA_FLAGS"]


def test_each_process_gets_its_number_and_all_the_arguments():
    first, second = launch.commands(2, 4711, ["--workdir=w"])
    assert first[3:] == [
        "--coordinator=127.0.0.1:4711",
        "--processes=2",
        "--process=0",
        "--workdir=w",
    ]
    assert [a for a, b in zip(second, first) if a != b] == ["--process=1"]


def sleeping(seconds, status=0):
    return subprocess.Popen(["sh", "-c", f"sleep {seconds}; exit {status}"])


def test_the_status_is_that_of_the_first_process_that_failed():
    assert launch.wait([sleeping(0), sleeping(0)], grace=5.0) == 0
    assert launch.wait([sleeping(0), sleeping(0, 7)], grace=5.0) == 7


def test_a_process_that_outlives_a_failed_one_is_killed():
    start = time.monotonic()
    children = [sleeping(60), sleeping(0, 3)]
    assert launch.wait(children, grace=0.2) == 3
    assert children[0].returncode == -signal.SIGKILL
    assert time.monotonic() - start < 30

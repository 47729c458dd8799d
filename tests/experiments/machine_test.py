"""What a run says of its making."""

import sys

from etils import epath

from experiments import machine
from kdjax import parallel


def test_every_start_is_a_line_of_the_history(tmp_path, monkeypatch):
    folder, mesh = epath.Path(tmp_path), parallel.data_mesh()
    assert machine.history(folder) == []
    monkeypatch.setattr(sys, "argv", ["somewhere/run.py", "--mode=train"])
    machine.record_start(folder, mesh)
    machine.record_start(folder, mesh)
    first, second = machine.history(folder)
    # The folder of the program is the machine's own business.
    assert first["command"] == second["command"] == ["run.py", "--mode=train"]
    assert first["versions"] == machine.versions()
    assert first["device"] == machine.device(mesh)
    assert first["device"]["count"] == 1 and first["device"]["platform"] == "cpu"


def test_outside_a_checkout_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert machine.commit() == ""

"""How the runner says its one sentence."""

import io

from experiments.errors import RunError, complain


def test_a_sentence_and_its_line_end_are_one_write(monkeypatch):
    written = []
    stream = io.StringIO()
    stream.write = written.append
    monkeypatch.setattr("sys.stderr", stream)
    complain(RunError("no such folder: runs/a"))
    assert written == ["kdjax: no such folder: runs/a\n"]

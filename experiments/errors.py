"""What the runner raises when a run cannot go on, and how it says so."""

import sys


class RunError(RuntimeError):
    """The message is one sentence for the user; the runner prints it and exits 1."""


class Interrupted(RunError):
    """A signal asked the run to end; a checkpoint was written."""


def complain(sentence: object) -> None:
    """Prints the one sentence of an error.

    In a single write, its line end with it: where Python does not buffer, `print` takes
    two, and the sentences of processes that end together would share a line.
    """
    sys.stderr.write(f"kdjax: {sentence}\n")
    sys.stderr.flush()

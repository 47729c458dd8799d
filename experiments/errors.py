"""What the runner raises when a run cannot go on."""


class RunError(RuntimeError):
    """The message is one sentence for the user; the runner prints it and exits 1."""


class Interrupted(RunError):
    """A signal asked the run to end; a checkpoint was written."""

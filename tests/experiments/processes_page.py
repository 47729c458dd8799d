"""A config page for runs of several processes: six steps; one of them can be made fail.

``KDJAX_TEST_FAULT=SIGNAL`` is what process 1 sends itself after its second step.
"""

import json
import os
import signal
import time

from experiments import state, supervise
from tests.experiments import tiny_runs

PATH = __file__
FAULT = "KDJAX_TEST_FAULT"


def get_config():
    told = json.loads(os.environ.get(supervise.WORKER, "null"))
    fault = os.environ.get(FAULT)
    if told and fault:
        fail(getattr(signal, fault), here=told["place"][2] == 1)
    return tiny_runs.config(
        schedule=(("student_alone", 2),),
        rounds=1,
        roles__student_alone__model=tiny_runs.NETWORK,
        roles__student_alone__augment=(),
        eval_every=0,
        checkpoint_every=1,
        keep_checkpoints=9,
    )


def fail(number: signal.Signals, *, here: bool) -> None:
    save = state.Run.save

    def faulty(run):
        save(run)
        if here and run.step == 2:
            os.kill(os.getpid(), number)
        if run.step >= 2:
            # JAX asks once a second whether there was a signal.
            time.sleep(0.6)

    state.Run.save = faulty

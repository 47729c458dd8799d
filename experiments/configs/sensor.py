r"""The undistilled student: a 1-D CNN on a worn accelerometer, nothing else.

What every distilled student is compared with, and the whole experiment where a data set
has no skeletons. On Berkeley-MHAD, left wrist, PSKD reports 94.76 % for its distilled
student and 90.02 % for its predecessor's (Ni, Ngu and Yan, ACM Multimedia 2022,
https://doi.org/10.1145/3503161.3548238).

    python -m experiments.run --config=experiments/configs/sensor.py:berkeley_mhad \
        --workdir=runs/berkeley --mode=table --table=seeds --seeds=1,2,3,4,5

`experiments/RESULTS.md` has what this gives, and the time.
"""

import ml_collections

from experiments.configs import common, pskd

DATA = common.SIGNALS


def get_config(dataset: str = "synthetic") -> ml_collections.ConfigDict:
    """The experiment on one of the data sets of `experiments.configs.common`."""
    data = common.data(dataset, standardise=False, align=dict(length=128))
    config = common.base(data)
    student = pskd.student(dict(name="supervised"))
    student["augment"] = tuple(
        step for step in pskd.AUGMENT if step.get("name") != "skeleton"
    )
    config.roles = dict(student=student)
    config.schedule = (("student", 120),)
    config.tables = dict(seeds=(dict(name="Student alone"),))
    return config

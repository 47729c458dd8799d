r"""PSKD: skeleton and fusion teachers, an accelerometer student, progressive schedule.

Paper: Ni, Ngu and Yan, "Progressive Cross-modal Knowledge Distillation for Human Action
Recognition", ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238. It reports
95.19 % accuracy and 95.67 % macro F1 on UTD-MHAD from the accelerometer alone.

    python -m experiments.run --config=experiments/configs/pskd.py:utd_mhad \
        --workdir=runs/pskd --mode=train

Both teachers are AGCNs of full width: an epoch on UTD-MHAD takes a minute or two on two
CPU cores, so this page wants an accelerator. `pskd_small.py` is the same experiment with
1-D CNN teachers, whose epochs take a second; the figures of `experiments/RESULTS.md` are
its. The paper states no optimiser, batch size, number of epochs nor loss weight: the
values here were chosen on held-out training subjects.
"""

import ml_collections

from experiments.configs import common

DATA = common.SIGNALS
VERTICAL = (0.0, 1.0, 0.0)

AUGMENT = (
    dict(function="signals.time_warp", min_length=0.85, strength=0.5),
    dict(function="signals.rotate", name="inertial", max_angle=35.0),
    dict(function="signals.jitter", name="inertial", scale=0.1, offset=0.1, noise=0.03),
    dict(function="signals.rotate", name="skeleton", max_angle=40.0, axis=VERTICAL),
    dict(function="signals.jitter", name="skeleton", scale=0.05, noise=0.01),
    dict(function="signals.mixup", alpha=0.2, probability=0.5),
)
"""What every role sees, in g and metres: teachers are asked about the very performance
that the student is shown, so that their targets fit it."""


def teacher(inputs: tuple[str, ...], **model) -> dict:
    """A teacher under cross-entropy."""
    return common.role(
        method=dict(name="supervised", label_smoothing=0.1),
        model=model,
        inputs=inputs,
        augment=AUGMENT,
        optimizer=common.adamw(1e-3, weight_decay=0.01),
    )


def student(method: dict, teachers: tuple[str, ...] = ()) -> dict:
    """A student: 1-D CNN on the accelerometer."""
    return common.role(
        method=dict(label_smoothing=0.1, **method),
        model=dict(
            name="cnn1d",
            widths=(64, 128, 128, 256),
            strides=(2, 1, 1, 1),
            pools=(True, True, True, False),
            dropout=0.3,
            derive=True,
        ),
        inputs=("inertial",),
        augment=AUGMENT,
        optimizer=common.adamw(1e-3, weight_decay=0.01),
        teachers=teachers,
    )


def get_config(dataset: str = "synthetic") -> ml_collections.ConfigDict:
    """The experiment on one of the data sets of `experiments.configs.common`."""
    data = common.data(dataset, standardise=False, align=dict(length=128))
    config = common.base(data)
    config.roles = dict(
        teacher_skeleton=teacher(("skeleton",), name="agcn", topology="data"),
        teacher_fusion=teacher(
            ("skeleton", "inertial"), name="agcn", topology="data", fusion="channels"
        ),
        student=student(dict(name="pskd"), ("teacher_skeleton", "teacher_fusion")),
        student_alone=student(dict(name="supervised")),
    )
    config.schedule = (
        ("teacher_skeleton", 1),
        ("teacher_fusion", 1),
        ("student", 1),
        ("student_alone", 1),
    )
    config.rounds = 60
    return config

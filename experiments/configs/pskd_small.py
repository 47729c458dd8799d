r"""PSKD with 1-D CNN teachers, and the paper's Table 4 and Figure 5 as lists of rows.

Paper: Ni, Ngu and Yan, "Progressive Cross-modal Knowledge Distillation for Human Action
Recognition", ACM Multimedia 2022, https://doi.org/10.1145/3503161.3548238.
The same experiment as `pskd.py` with teachers whose epochs take a second on two CPU
cores, so that every row of the tables can be run over five seeds.

    python -m experiments.run --config=experiments/configs/pskd_small.py:utd_mhad \
        --workdir=runs/utd --mode=table --table=table4 --seeds=1,2,3,4,5

`experiments/RESULTS.md` has what this gives, with machine, versions and time. Without a
data set named, the page trains on the embedded synthetic person.
"""

import ml_collections

from experiments.configs import common, pskd

DATA = common.SIGNALS
TEACHERS = ("teacher_skeleton", "teacher_fusion")
SMOOTH = dict(label_smoothing=0.1)
REPLAY = dict.fromkeys(TEACHERS, "Teachers")
EPOCHS = 120

SKELETON_CNN = dict(name="cnn1d", widths=(64, 128, 128, 256), dropout=0.3, derive=True)
"""A 1-D CNN on positions and velocities of all joints as channels."""

FUSION_CNN = dict(SKELETON_CNN, strides=(2, 1, 1, 1), pools=(True, True, True, False))
"""The same, quicker, with the student's ten channels beside them."""


def student_after(teachers: tuple[str, ...]) -> tuple:
    """Teachers to their end first, then the student: classic distillation."""
    return (*((name, EPOCHS) for name in teachers), ("student", EPOCHS))


def progressive(epochs: int) -> dict:
    """PSKD(n): the student follows n epochs behind its teachers."""
    names = (*TEACHERS, "student")
    return {
        "schedule": tuple((name, epochs) for name in names),
        "rounds": EPOCHS // epochs,
    }


def baseline(name: str, paper: tuple[float, float], **method) -> dict:
    """A row of Table 4: one term, one pre-trained teacher, the fusion one."""
    return dict(
        name=name,
        paper=paper,
        replay={"teacher_fusion": "Teachers"},
        set={
            "schedule": student_after(("teacher_fusion",)),
            "rounds": 1,
            "roles.student.teachers": ("teacher_fusion",),
            "roles.student.method": dict(SMOOTH, name="distill", **method),
        },
    )


def acs(name: str, paper: tuple[float, float] | tuple[()], schedule: dict, **method):
    """A row under the paper's own loss, both teachers replayed."""
    method = {"roles.student.method": dict(SMOOTH, name="pskd", **method)}
    return dict(name=name, paper=paper, replay=REPLAY, set={**schedule, **method})


SHARED = (
    dict(
        name="Teachers",
        roles=TEACHERS,
        set={
            "schedule": tuple((name, EPOCHS) for name in TEACHERS),
            "rounds": 1,
            "roles.teacher_skeleton.keep": "all",
            "roles.teacher_fusion.keep": "all",
        },
    ),
    dict(
        name="Student alone",
        baseline=True,
        set={
            "schedule": (("student", EPOCHS),),
            "rounds": 1,
            "roles.student.teachers": (),
            "roles.student.method": dict(SMOOTH, name="supervised"),
        },
    ),
)

ACS = acs("ACS PSKD(1)", (95.19, 95.67), progressive(1))

# CC's embeddings have unit length: that is what the public code computes
# (tests/golden/cc_repdistiller__b6.npz), though descriptions of it say plain linear.
TABLE_4 = (
    *SHARED,
    baseline("Logits", (93.87, 94.15), term="logit", term_weight=1.0),
    baseline(
        "FitNet",
        (94.03, 94.27),
        term="fitnet",
        term_weight=100.0,
        adapter=dict(name="ConvRegressor"),
    ),
    baseline("ST", (94.34, 94.64), term="none", ce_weight=0.1, kl_weight=0.9),
    baseline("AT", (94.27, 94.80), term="attention", term_weight=1000.0),
    baseline("RKD", (95.03, 95.02), term="relation", term_weight=1.0),
    baseline("SP", (94.06, 94.56), term="similarity", term_weight=3000.0),
    baseline(
        "CC",
        (94.12, 94.72),
        term="correlation",
        term_weight=0.02,
        adapter=dict(name="Embed", features=128),
    ),
    ACS,
    acs("AC only", (94.51, 94.59), progressive(1), gamma=0.0),
    acs("S only", (94.82, 94.21), progressive(1), beta=0.0),
)

PRETRAINED = {"schedule": student_after(TEACHERS), "rounds": 1}

FIGURE_5 = (
    *SHARED,
    acs("ACS pre-trained", (), PRETRAINED),
    ACS,
    acs("PSKD(2)", (), progressive(2)),
    acs("PSKD(3)", (), progressive(3)),
    dict(
        name="PSKD step by step",
        set={"schedule": (((*TEACHERS, "student"), EPOCHS),), "rounds": 1},
    ),
)

READINGS = (
    *SHARED,
    ACS,
    *(
        acs(name, (), progressive(1), **option)
        for name, option in {
            "gate by loss": dict(gate="loss"),
            "no gate": dict(gate="none"),
            "hard selection": dict(select="hard"),
            "gated KL": dict(gate_kl=True),
            "renormalised": dict(renorm=True),
            "equation 5 unsoftened": dict(mk_temperature=1.0),
            "equation 2 without its square": dict(kd_t2=False),
        }.items()
    ),
)
"""The readings of the paper's loss that `kdjax.losses.multi_teacher.acs` names."""

STUDENTS = {
    "1-D CNN": {},
    "LSTM": {"roles.student.model": dict(name="lstm", dropout=0.3)},
    "GAF": {"roles.student.model": dict(name="gaf", dropout=0.3)},
}


def with_model(row: dict, name: str, model: dict) -> dict:
    """A row with another student network; the default's own rows stay as they are."""
    if not model:
        return row
    changed = {**row, "name": f"{row['name']} {name}", "set": {**row["set"], **model}}
    return {key: value for key, value in changed.items() if key != "baseline"}


BACKBONES = (
    SHARED[0],
    *(
        with_model(row, name, model)
        for name, model in STUDENTS.items()
        for row in (SHARED[1], ACS)
    ),
)
"""Each student network alone and distilled."""


LONG = 3 * EPOCHS


def for_longer(row: dict) -> dict:
    """A row whose student is trained three times as long."""
    *before, (student, _) = row["set"]["schedule"]
    schedule = {"schedule": (*before, (student, LONG))}
    longer = {**row, "name": f"{row['name']} for {LONG} epochs"}
    longer["set"] = {**row["set"], **schedule}
    return {key: value for key, value in longer.items() if key != "baseline"}


ST = next(row for row in TABLE_4 if row["name"] == "ST")
LONGER = (*SHARED, ST, for_longer(SHARED[1]), for_longer(ST))
"""Whether patience helps; to be asked of held-out training subjects."""

AGCN = dict(name="agcn", topology="data", width=32)
AGCN_EPOCHS = 50
AT_64_STEPS = {
    "data.align.length": 64,
    "roles.teacher_skeleton.model": AGCN,
    "roles.teacher_fusion.model": dict(AGCN, fusion="channels"),
    "roles.teacher_skeleton.batch_size": 16,
    "roles.teacher_fusion.batch_size": 16,
    "rounds": 1,
}


def agcn_teacher(name: str, role: str) -> dict:
    """A graph network of half the published width, on half the steps."""
    schedule = {"schedule": ((role, AGCN_EPOCHS),), f"roles.{role}.keep": "last"}
    return dict(name=name, roles=(role,), set={**AT_64_STEPS, **schedule})


AGCN_TEACHERS = (
    agcn_teacher("AGCN skeleton", "teacher_skeleton"),
    agcn_teacher("AGCN fusion", "teacher_fusion"),
    dict(
        SHARED[1],
        name="Student alone on 64 steps",
        set={**SHARED[1]["set"], "data.align.length": 64},
    ),
    dict(
        name="ACS from AGCN teachers",
        replay=dict(zip(TEACHERS, ("AGCN skeleton", "AGCN fusion"), strict=True)),
        set={
            **AT_64_STEPS,
            "schedule": (
                *((name, AGCN_EPOCHS) for name in TEACHERS),
                ("student", EPOCHS),
            ),
            "roles.student.method": dict(SMOOTH, name="pskd"),
        },
    ),
)
"""The paper's own teachers as far as two CPU cores carry them: width 32 and T = 64."""


def get_config(dataset: str = "synthetic") -> ml_collections.ConfigDict:
    """The experiment on one of the data sets of `experiments.configs.common`."""
    config = pskd.get_config(dataset)
    config.roles.teacher_skeleton.model = ml_collections.ConfigDict(SKELETON_CNN)
    config.roles.teacher_fusion.model = ml_collections.ConfigDict(FUSION_CNN)
    config.rounds = EPOCHS
    config.tables = dict(
        table4=TABLE_4,
        figure5=FIGURE_5,
        readings=READINGS,
        backbones=BACKBONES,
        agcn=AGCN_TEACHERS,
        longer=LONGER,
    )
    return config

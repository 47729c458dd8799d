"""A run folder written by hand, whose every number is known.

Six test examples of three classes, in the order of the synthetic data: subjects 2 and 4
perform each class once. The student is wrong on the last one; alone it is wrong on the
third and the fourth.
"""

import json

import numpy as np
from etils import epath

from experiments import evaluate
from experiments.configs import pskd_small
from kdjax.interop import variables

CLASSES = ("clap", "squat", "walk")
KEYS = tuple(f"{name}_s{subject}_t1" for subject in (2, 4) for name in CLASSES)
LABELS = (0, 1, 2, 0, 1, 2)
GUESSES = {
    "teacher_fusion": LABELS,
    "teacher_skeleton": LABELS,
    "student_alone": (0, 1, 0, 1, 1, 2),
    "student": (0, 1, 2, 0, 1, 0),
}
SCORES = {"teacher_fusion": (1, 1), "teacher_skeleton": (1, 1)}
# F1 by class: (4/5 + 1 + 2/3) / 3 and (1/2 + 4/5 + 2/3) / 3.
SCORES |= {"student": (5 / 6, 37 / 45), "student_alone": (4 / 6, 59 / 90)}


def config():
    """Of a run on the six examples."""
    tiny = pskd_small.get_config()
    tiny.tables = {}
    tiny.data.update(subjects=4, trials_per_subject=1, classes=CLASSES)
    tiny.data.align.length = 16
    return tiny


def predictions(guesses, labels=LABELS, keys=KEYS):
    """Logits that say what is guessed, with a probability of about 0.9."""
    logits = 3.0 * np.eye(len(CLASSES), dtype=np.float32)[np.array(guesses)]
    label, camera = np.array(labels, np.int32), np.zeros(len(labels), np.int32)
    return evaluate.Predictions(logits, np.array(keys), camera, label)


def line(role, split, epoch, **values):
    """A line of ``metrics.jsonl``."""
    where = {"role": role, "split": split, "step": round(3 * epoch), "epoch": epoch}
    return json.dumps({**where, **values}) + "\n"


def log():
    """Two epochs of every role; the student's has its terms."""
    text = ""
    for role in GUESSES:
        more = {"ce": 1.0, "kl": 0.01} if role == "student" else {}
        for epoch in (1.0, 2.0):
            values = {"loss": 2.0 / epoch, "accuracy": 0.4 * epoch, "grad_norm": 1.0}
            text += line(role, "train", epoch, **values, **more)
            text += line(
                role, "test", epoch, accuracy=0.3 * epoch, macro_f1=0.2 * epoch
            )
    return text


def results():
    """Of ``results.json``."""
    roles = {}
    for role, (accuracy, macro_f1) in SCORES.items():
        numbers = {"accuracy": accuracy, "macro_f1": macro_f1, "examples": 6}
        roles[role] = {"test": {**numbers, "mean_class_accuracy": accuracy}}
    return {"step": 24, "epochs": dict.fromkeys(GUESSES, 2), "roles": roles}


def write(folder, *, classes=CLASSES, ended=True):
    """A run folder; returns its path."""
    workdir = epath.Path(folder)
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(config().to_json())
    (workdir / "metrics.jsonl").write_text(log())
    if ended:
        (workdir / "results.json").write_text(json.dumps(results()))
        (workdir / "models").mkdir()
        for role, guesses in GUESSES.items():
            path = workdir / "predictions" / f"{role}_test.npz"
            evaluate.write(path, predictions(guesses))
            path = workdir / "models" / f"{role}.safetensors"
            words = {"classes": json.dumps(classes)}
            variables.save_variables(path, {"params": {"w": np.ones(1)}}, words)
    return workdir

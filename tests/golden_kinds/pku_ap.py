"""Detection metrics of PKU-MMD."""

import numpy as np

from experiments import detection


def compute(meta, inputs, weights):
    """The scores of the file's proposals; label 0 is no action."""
    hyper = meta["hyper"]
    scores = detection.evaluate(
        inputs["proposals"],
        inputs["ground"],
        classes=hyper["num_labels"] - 1,
        theta=hyper["theta"],
    )
    return {name: np.asarray(value) for name, value in scores._asdict().items()}

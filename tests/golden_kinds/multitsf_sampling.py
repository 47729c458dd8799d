"""Frames and labels of untrimmed clips, as MultiTSF samples them."""

import numpy as np

from data_pipelines import tricks
from data_pipelines.transforms import scenes


def compute(meta, inputs, weights):
    """One row a length, drawn from one seed a row; labels of a single clip."""
    hyper = meta["hyper"]
    lengths, count = [int(n) for n in inputs["length"]], hyper["T"]
    streams = [
        np.random.RandomState(hyper["train_seed"] + i) for i in range(len(lengths))
    ]
    limits = [scenes.bounds(length, count) for length in lengths]
    instances = [(int(label), start, end) for start, end, label in inputs["tricks"]]
    return {
        "uniform": np.stack([scenes.uniform(n, count) for n in lengths]),
        "random": np.stack(
            [scenes.perturbed(n, count, rng) for n, rng in zip(lengths, streams)]
        ),
        "random_low": np.stack([low for low, _ in limits]),
        "random_high": np.stack([high for _, high in limits]),
        "sequence_label": tricks.multi_hot([k for k, *_ in instances], hyper["C"]),
        "frame_labels": tricks.grid_labels(
            instances, length=hyper["clip_frames"], count=hyper["C"]
        ),
    }

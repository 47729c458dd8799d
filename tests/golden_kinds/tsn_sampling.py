"""Frames of segments, as two libraries draw them."""

import numpy as np

from data_pipelines.transforms import frames


def compute(meta, inputs, weights):
    """One row a recording; TSN's own code counts from one, and draws from one seed a row."""
    hyper = meta["hyper"]
    lengths, count = [int(n) for n in inputs["num_frames"]], hyper["segments"]

    def drawn(short):
        streams = [
            np.random.RandomState(hyper["train_seed"] + i) for i in range(len(lengths))
        ]
        return np.stack(
            [
                frames.segments(n, count, r, short=short)
                for n, r in zip(lengths, streams)
            ]
        )

    def fixed(short):
        return np.stack([frames.middles(n, count, short=short) for n in lengths])

    return {
        "tsn_train": drawn("first") + 1,
        "tsn_valid": fixed("first") + 1,
        "tsn_test": fixed("spread") + 1,
        "mmaction2_train": drawn("spread"),
        "mmaction2_test": fixed("spread"),
    }

"""Uniformly sampled frames in the draw orders of two libraries."""

import numpy as np

from data_pipelines.transforms import frames


def compute(meta, inputs, weights):
    """One row a recording; the seeds are those of the file's notes."""
    hyper = meta["hyper"]
    lengths = [int(n) for n in inputs["num_frames"]]
    out = {}
    for order, before in frames.ORDERS.items():
        test, train = [], []
        for row, n in enumerate(lengths):
            clips = frames.fixed(
                n, hyper["clip_len"], clips=hyper["num_clips"], order=order
            )
            test.append(clips.ravel())
            rng = np.random.RandomState(hyper["train_seed"] + row)
            before(rng)
            train.append(frames.uniform(n, hyper["clip_len"], rng))
        out |= {f"test_{order}": np.stack(test), f"train_{order}": np.stack(train)}
    return out

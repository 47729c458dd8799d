"""Filter banks as AST's feature extractor computes them."""

import numpy as np

from data_pipelines import fbank


def compute(meta, inputs, weights):
    """The rows kept, the value of a row without sound, and the number of the others."""
    hyper = meta["hyper"]
    wave = inputs["wave"]
    features = fbank.log_mel(
        wave,
        rows=hyper["max_length"],
        mel_bins=hyper["num_mel_bins"],
        mean=hyper["mean"],
        deviation=hyper["std"],
    )
    frames = fbank.frame_count(wave.shape[-1])
    return {
        "features": features[:, : hyper["rows_kept"]],
        "pad_value": features[0, -1, 0],
        "num_frames": np.asarray(frames, np.int64),
    }


def check(meta, inputs, want, got):
    """Rows without sound hold one value, bit for bit."""
    assert (got["features"][:, want["num_frames"] :] == want["pad_value"]).all()

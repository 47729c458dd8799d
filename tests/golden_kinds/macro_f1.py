"""Macro F1 of two batches, their confusion matrices added up."""

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import metrics


def compute(meta, inputs, weights):
    """Scores in float64, the precision of the reference."""
    logits, label = inputs["logits"], inputs["target"].astype(np.int32)
    half = len(label) // 2
    batches = ((logits[:half], label[:half]), (logits[half:], label[half:]))
    pairs = [(jnp.asarray(z), jnp.asarray(y)) for z, y in batches]
    confusion = sum(metrics.confusion_matrix(z, y) for z, y in pairs)
    ratios = [metrics.accuracy(z, y) for z, y in pairs]
    hits, count = (float(sum(part)) for part in zip(*ratios))
    with jax.enable_x64(True):
        counts = jnp.asarray(np.asarray(confusion))
        precision, recall, _ = (np.asarray(x) for x in metrics.class_scores(counts))
        f1 = np.asarray(metrics.macro_f1(counts))
    out = {"f1": f1, "precision": precision, "recall": recall}
    return {**out, "accuracy": np.float64(hits / count)}

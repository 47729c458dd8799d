"""The numbers of recordings that show several actions, each with its time."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import metrics

if TYPE_CHECKING:
    from experiments.evaluate import Predictions


def summary(predictions: "Predictions") -> dict[str, float]:
    """Mean average precisions, in [0, 1], and the count of examples.

    A class is ranked over all examples by its logit: ``mean_ap``. Public code ranks by
    the softmax over classes, which lets one action push another of the same recording
    down: ``mean_ap_softmax``. Ranked the other way, classes within an example:
    ``mean_ap_examples``. Where frames were judged, these over all examples as well:
    ``frame_mean_ap``. Classes that never occur do not count.
    """
    logits, truth = jnp.asarray(predictions.logits), jnp.asarray(predictions.labels)
    numbers = {
        "mean_ap": metrics.mean_average_precision(logits, truth),
        "mean_ap_softmax": metrics.mean_average_precision(
            jax.nn.softmax(logits), truth
        ),
        "mean_ap_examples": metrics.mean_average_precision(
            logits, truth, average="samples"
        ),
    }
    if predictions.frame_logits is not None:
        numbers["frame_mean_ap"] = metrics.mean_average_precision(*frames(predictions))
    numbers = {name: float(value) for name, value in numbers.items()}
    return {**numbers, "examples": len(truth)}


def frames(predictions: "Predictions") -> tuple[jax.Array, jax.Array]:
    """Logits and labels [N K] of all frames that are no padding."""
    real = predictions.frame_mask > 0
    both = predictions.frame_logits[real], predictions.frame_labels[real]
    return tuple(map(jnp.asarray, both))


def by_class(predictions: "Predictions") -> np.ndarray:
    """Average precision [K] of every class over the examples; NaN where none has it."""
    each = metrics.average_precision(
        jnp.asarray(predictions.logits), jnp.asarray(predictions.labels)
    )
    each = np.asarray(each, np.float64)
    return np.where(each < 0, np.nan, each)

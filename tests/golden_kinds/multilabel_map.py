"""Average precision of multi-label predictions, by class and by example."""

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import metrics


def compute(meta, inputs, weights):
    """The means in percent; what public code and scikit-learn agree on by class."""
    with jax.enable_x64(True):
        scores = jnp.asarray(inputs["scores"], jnp.float64)
        truth = jnp.asarray(inputs["targets"])
        each = metrics.average_precision(scores, truth)
        by_example = metrics.average_precision(scores.T, truth.T)
        # The public code divides by the number of positives and 1e-8 more.
        count = truth.sum(axis=1)
        by_example = jnp.where(count > 0, by_example * count / (count + 1e-8), 0.0)
        return {
            "map": 100 * metrics.mean_average_precision(scores, truth),
            "map_sample": 100 * by_example.sum() / (count > 0).sum(),
            "ap": each,
            "sk_ap": each,
        }


def check(meta, inputs, want, got):
    """The mean over examples is the public code's, whose 1e-8 it does not add."""
    with jax.enable_x64(True):
        mean = metrics.mean_average_precision(
            jnp.asarray(inputs["scores"], jnp.float64),
            jnp.asarray(inputs["targets"]),
            average="samples",
        )
        np.testing.assert_allclose(100 * mean, want["map_sample"], rtol=1e-8)

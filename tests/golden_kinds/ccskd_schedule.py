"""The weights of channel-correlation-based selective distillation, epoch by epoch."""

import jax
import jax.numpy as jnp

from kdjax.methods import ccskd


def compute(meta, inputs, weights):
    """Columns are cross-entropy, guided and plain softened logits, channels, relations."""
    with jax.enable_x64(True):
        epochs = jnp.asarray(inputs["epoch"], jnp.float64)
        now = jax.vmap(ccskd.weights)(epochs)
        return {
            "weights": jnp.stack(
                [now.ce, now.guided, now.kl, now.channel, now.relation], -1
            )
        }

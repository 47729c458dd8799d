"""MultiTSF on given features, as published: concatenated, attending over the batch."""

import jax
import jax.numpy as jnp

from kdjax.interop import multitsf as interop
from kdjax.models import audiovisual


def compute(meta, inputs, weights):
    """The logits of sequences, frames and persons."""
    model = audiovisual.Model(
        meta["hyper"]["num_classes"],
        backbone=dict(name="multitsf", attend="batch"),
        visual="identity",
        audio="identity",
        fusion="concat",
        human=True,
    )
    visual, audio = (jnp.asarray(inputs[name]) for name in ("visual", "audio"))
    everywhere = jnp.ones(visual.shape[:-1])
    streams = (visual, audio, everywhere, everywhere)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), *streams, train=False))
    variables = interop.load(weights, like)
    out = jax.jit(lambda v, s: model.apply(v, *s, train=False))(variables, streams)
    return {name: out[name] for name in ("seq_logits", "frame_logits", "human_logits")}

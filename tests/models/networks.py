"""A small network of every backbone, and what it reads."""

import jax.numpy as jnp
import numpy as np

from kdjax.models import (
    agcn,
    audiovisual,
    cnn1d,
    cnn2d,
    gaf,
    i3d,
    lstm,
    posec3d,
    spectrogram,
    spectrogram_mlp,
    tsn,
    vit,
)

CLASSES = 3
TRUNK = dict(width=8, depth=1, heads=2, hidden=32, dropout=0.2)
SENSOR = (2, 16, 6)
CLIP = (2, 3, 16, 16, 3)


def scene(backbone, **options):
    """A network of several cameras that hear, of the cheapest encoders."""
    return lambda **computed: audiovisual.Model(
        CLASSES,
        backbone=dict(name=backbone, **options),
        visual=dict(name="cnn2d", widths=(4, 4), width=8),
        audio=dict(name="spectrogram_mlp", widths=(8,), width=8),
        heads=2,
        **computed,
    )


def made(module, **options):
    """A network without what it computes in and what it keeps."""
    return lambda **computed: module(**options, **computed)


SCENE = ((2, 2, 3, 8, 8, 3), (2, 2, 3, 6, 5), (2, 2, 3), (2, 2, 3))
NETWORKS = {
    "agcn": (
        made(agcn.Model, num_classes=CLASSES, width=4, blocks=(1, 1), hidden=8),
        ((2, 8, 1, 20, 3),),
    ),
    "cnn1d": (
        made(cnn1d.Model, num_classes=CLASSES, widths=(8, 8), dropout=0.2),
        (SENSOR,),
    ),
    "lstm": (made(lstm.Model, num_classes=CLASSES, units=8, dropout=0.2), (SENSOR,)),
    "gaf": (made(gaf.Model, num_classes=CLASSES, size=16, widths=(4, 8)), (SENSOR,)),
    "posec3d": (
        made(posec3d.Model, num_classes=CLASSES, width=4, blocks=(2, 1)),
        (CLIP,),
    ),
    "i3d": (made(i3d.Model, num_classes=CLASSES, width=0.05), ((2, 9, 16, 16, 3),)),
    "tsn": (made(tsn.Model, num_classes=CLASSES, depth=18, width=4), (CLIP,)),
    "vit": (made(vit.Encoder, patch=4, **TRUNK), ((2, 8, 8, 3),)),
    "spectrogram": (
        made(spectrogram.Encoder, patch=4, strides=(4, 4), **TRUNK),
        ((2, 8, 8),),
    ),
    "cnn2d": (made(cnn2d.Encoder, widths=(4, 8), width=8), ((2, 16, 16, 3),)),
    "spectrogram_mlp": (
        made(spectrogram_mlp.Encoder, widths=(8, 8), width=8),
        ((64, 4, 4),),
    ),
    "multitsf": (scene("multitsf", heads=2, sensor_heads=2, sensor_hidden=8), SCENE),
    "multiasl": (scene("multiasl", heads=2, head_dim=4, ratio=2), SCENE),
    "multitrans": (scene("multitrans", heads=2, sensor_heads=2), SCENE),
}
"""By module, what makes it from ``dtype`` and ``remat``, and the shapes of its streams."""


def streams(name):
    """Random input of a network, masks of ones."""
    random, (_, shapes) = np.random.default_rng(1), NETWORKS[name]
    filled = (
        np.ones(shape) if shape == SCENE[-1] else random.normal(size=shape)
        for shape in shapes
    )
    return tuple(jnp.asarray(array, jnp.float32) for array in filled)

"""The roles of ViCoKD's page: networks, what they are shown and their losses, at a scale."""

from typing import NamedTuple

from experiments.configs import common

SUPERVISED = {"V_F": dict(frames=1.0, sequence=1.0), "V_S": dict(sequence=1.0)}
IMAGENET = dict(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))


class Scale(NamedTuple):
    """What depends on the size of the data.

    Attributes:
      align: options of `data_pipelines.transforms.scenes`.
      shown: what becomes of ``rgb`` before a network sees it as ``pictures``, in training
        and after; nothing is augmented. The bytes stay for the teacher.
      visual: encoder of pictures.
      audio: encoder of spectrograms.
      backbones: options of each, by module.
      optimizer: of all roles.
      epochs: of all roles.
      batch_size: of all roles.
      eval_every: epochs from one point of a curve to the next.
      reduction: of distances of features over their width, see `kdjax.methods.vicokd`.
    """

    align: dict
    shown: tuple[dict, ...]
    visual: dict
    audio: dict
    backbones: dict[str, dict]
    optimizer: dict
    epochs: int
    batch_size: int
    eval_every: int
    reduction: str = "sum"


# A person is a few pixels wide, and there are a few hundred recordings to find people in:
# the rooms are taken away, and what is left is not averaged over the picture.
#
# Summed over the width as in equation 7, distances of features had forty times the
# gradient of all other terms, and the student learnt nothing else: they are averaged.
SMALL = Scale(
    align=dict(frames=12, perturb=True, size=None, rows=48),
    shown=(dict(function="video.without_background", name="rgb", to="pictures"),),
    visual=dict(name="cnn2d", pool="max"),
    audio=dict(
        name="spectrogram", width=48, depth=1, heads=3, hidden=96, strides=(16, 16)
    ),
    backbones=dict(
        multitrans=dict(heads=4), multiasl=dict(head_dim=16), multitsf=dict(heads=4)
    ),
    optimizer=common.adamw(2e-3, weight_decay=0.01, warmup_epochs=1.0),
    epochs=16,
    batch_size=8,
    eval_every=4,
    reduction="mean",
)
HOME = Scale(
    align=dict(frames=70, perturb=True, size=(224, 224), rows=64),
    shown=(dict(function="video.normalise", name="rgb", to="pictures", **IMAGENET),),
    visual=dict(name="vit", patch=32, width=384, depth=12, heads=6, hidden=1536),
    audio=dict(name="spectrogram", width=768, depth=12, heads=12, hidden=3072),
    backbones=dict(multitrans={}, multiasl={}, multitsf={}),
    optimizer=dict(
        name="adam_l2",
        weight_decay=5e-4,
        schedule=dict(
            name="warm_restarts", learning_rate=1e-4, restart_epochs=100, floor=0.0
        ),
    ),
    epochs=100,
    batch_size=12,
    eval_every=10,
)
SCALES = {"synthetic": SMALL, "home1": HOME, "home2": HOME}


def network(scale: Scale, backbone: str, sound: str) -> dict:
    """The network on a backbone: "audio" hears, "pseudo" guesses, "none" just sees."""
    return dict(
        name="audiovisual",
        backbone=dict(name=backbone, **scale.backbones[backbone]),
        visual=scale.visual,
        audio=scale.audio,
        sound=sound,
    )


def role(scale: Scale, backbone: str, sound: str, **method) -> dict:
    """One network and its loss."""
    heard = ("audio", "audible") if sound == "audio" else ()
    return common.role(
        method={
            **dict(name="vicokd", temperature=4.0, groups=1, reduction=scale.reduction),
            **method,
        },
        model=network(scale, backbone, sound),
        inputs=("pictures", *heard, "present"),
        augment=scale.shown,
        prepare=scale.shown,
        optimizer=scale.optimizer,
        batch_size=scale.batch_size,
    )


def teacher(scale: Scale, backbone: str, **terms: float) -> dict:
    """Sees and hears, and knows when what is done."""
    return role(scale, backbone, "audio", weights={**SUPERVISED["V_F"], **terms})


def student(
    scale: Scale, backbone: str, supervision: str, terms: dict, *, sound: str, **options
) -> dict:
    """Sees; taught where a term asks for it."""
    weights = {**SUPERVISED[supervision], **terms}
    if backbone == "multiasl" and supervision == "V_S":
        weights["actionness"] = 1.0  # its own loss where frames have no labels
    taught = ("teacher",) if terms else ()
    made = role(scale, backbone, sound, weights=weights, **options)
    return dict(made, teachers=taught)

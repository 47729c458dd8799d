"""The roles of CMMVL's page: networks, and what they are shown, at a scale.

The paper states neither optimizer nor schedule; `Scale` has what is chosen.
"""

from typing import NamedTuple

from experiments.configs import common


class Scale(NamedTuple):
    """What depends on the size of the data.

    Attributes:
      video: the student's modality.
      frame: height and width of the picture that the poses are in.
      lengths: frames a clip, by modality.
      short: short side of a person's box in training, before the crop.
      area: of the crop of poses as a share of the box, from and to.
      aspect: its width over its height, from and to.
      maps: height and width of the heatmaps in training and at the test.
      crop: height and width of what the student sees.
      flip: share of the training examples that are mirrored; none where classes differ
        as left and right do, and then nothing is mirrored at the test either.
      teacher: network.
      student: network.
      optimizers: of the teacher and the student.
      epochs: of the teacher and the student.
      batch_sizes: of the teacher and the student.
    """

    video: str
    frame: tuple[int, int]
    lengths: dict
    short: int
    area: tuple[float, float]
    aspect: tuple[float, float]
    maps: tuple[tuple[int, int], tuple[int, int]]
    crop: tuple[int, int]
    flip: float
    teacher: dict
    student: dict
    optimizers: tuple[dict, dict]
    epochs: tuple[int, int]
    batch_sizes: tuple[int, int]


def small(
    video: str,
    frame: tuple[int, int],
    crop: tuple[int, int],
    *,
    epochs: tuple[int, int] = (40, 16),
    flip: float = 0.0,
    rate: float = 2e-3,
) -> Scale:
    """A few channels and small pictures: for two CPU cores.

    The epochs are NW-UCLA's; UTD-MHAD's students get about as many steps, those of the
    embedded person twice as many. What the teacher says of the training examples is all
    that its students hear, so that it must have learnt those: gentle crops and 16
    channels take it to 99 % of UTD-MHAD's and 95 % of NW-UCLA's.
    `experiments/RESULTS.md` has what a teacher gave that knew 83 %.

    `rate` is the students'. At 0.002 those of the embedded person, who is small in the
    picture, stay at chance for six epochs of their training clips or more, by seed; at
    0.0005 they learn from the first.
    """
    return Scale(
        video=video,
        frame=frame,
        lengths={"joints": 16, video: 16},
        short=28,
        area=(0.8, 1.0),
        aspect=(0.9, 1.1),
        maps=((24, 24), (24, 24)),
        crop=crop,
        flip=flip,
        teacher=dict(name="posec3d", width=16, blocks=(1, 1, 1), dropout=0.2),
        student=dict(name="i3d", width=0.125, dropout=0.2),
        optimizers=(
            common.adamw(4e-3, weight_decay=0.01, warmup_epochs=1.0),
            common.adamw(rate, weight_decay=0.01, warmup_epochs=1.0),
        ),
        epochs=epochs,
        batch_sizes=(16, 8),
    )


# PoseC3D's published schedule (24 passes over a set that is repeated ten times, 0.4 for
# a batch of 256) and, since the paper has none, SGD for the students.
NTU = Scale(
    video="rgb",
    frame=(1080, 1920),
    lengths={"joints": 48, "rgb": 32},
    short=64,
    area=(0.56, 1.0),
    aspect=(3 / 4, 4 / 3),
    maps=((56, 56), (64, 64)),
    crop=(224, 224),
    flip=0.5,
    teacher=dict(name="posec3d"),
    student=dict(name="i3d"),
    optimizers=(
        common.sgd(0.2, weight_decay=3e-4, clip_norm=40.0),
        common.sgd(0.01, weight_decay=1e-4, clip_norm=40.0),
    ),
    epochs=(240, 30),
    batch_sizes=(128, 32),
)

SCALES = {
    "synthetic": small("rgb", (48, 48), (40, 40), epochs=(30, 56), rate=1e-3),
    "nw_ucla": small("depth", (128, 128), (40, 40), flip=0.5),
    "utd_mhad": small("depth", (60, 80), (56, 56), epochs=(40, 40)),
    **dict.fromkeys(("ntu60_csub", "ntu60_cview", "ntu120_csub", "ntu120_cset"), NTU),
}


def maps(scale: Scale, kind: str, *, clips: int = 1) -> dict:
    """How a teacher gets its heatmaps, in training and at inference."""
    train, test = scale.maps
    drawn = dict(frame=scale.frame, topology="data", kind=kind)
    plain = dict(function="heatmaps.plain", size=test, **drawn)
    many = (dict(function="video.clips", names=("heatmaps",), count=clips),)
    double = (dict(function="heatmaps.double", topology="data", kind=kind),)
    changed = dict(
        size=train,
        short=scale.short,
        area=scale.area,
        aspect=scale.aspect,
        flip=scale.flip,
    )
    return dict(
        augment=(dict(function="heatmaps.augmented", **changed, **drawn),),
        prepare=(
            plain,
            *(many if clips > 1 else ()),
            *(double if clips > 1 and scale.flip else ()),
        ),
    )


def teacher(scale: Scale, kind: str = "joints") -> dict:
    """PoseC3D under cross-entropy, on the main view's poses."""
    return common.role(
        method=dict(name="supervised"),
        model=scale.teacher,
        inputs=("heatmaps",),
        **maps(scale, kind),
        optimizer=scale.optimizers[0],
        batch_size=scale.batch_sizes[0],
    )


def seen(scale: Scale) -> tuple[dict, ...]:
    """What a student is shown in training: a crop and a coin of each view's own."""
    video = scale.video
    return (
        dict(function="video.random_crop", name=video, size=scale.crop),
        dict(function="video.random_flip", names=(video,), probability=scale.flip),
        dict(function="video.normalise", name=video),
    )


ONE_VIEW = (dict(function="video.main_view"),)
NO_OTHER_VIEW = (dict(function="video.main_view", squeeze=False),)


def tested(scale: Scale, *, clips: int = 1) -> tuple[dict, ...]:
    """What a student is shown at inference: the centre of one clip, or of several."""
    video = scale.video
    many = (dict(function="video.clips", names=(video,), count=clips),)
    double = (dict(function="video.double", name=video),)
    return (
        *ONE_VIEW,
        dict(function="video.center_crop", name=video, size=scale.crop),
        dict(function="video.normalise", name=video),
        *(many if clips > 1 else ()),
        *(double if clips > 1 and scale.flip else ()),
    )


def alone(scale: Scale) -> dict:
    """I3D under cross-entropy, on the main view by itself."""
    return common.role(
        method=dict(name="supervised"),
        model=scale.student,
        inputs=(scale.video,),
        augment=(*NO_OTHER_VIEW, *seen(scale), *ONE_VIEW),
        prepare=tested(scale),
        optimizer=scale.optimizers[1],
        batch_size=scale.batch_sizes[1],
    )


def student(scale: Scale) -> dict:
    """I3D, its loss over all views; at the test one clip of one camera."""
    return common.role(
        method=dict(
            name="cmmvl",
            temperature=2.0,
            view_weight=0.005,
            adapter=dict(name="ViewPredictor", norm_axis=None),
        ),
        # Each view's own statistics. Over all views at once, of which one alone has a
        # loss, what normalisation takes out of that one's gradient is given back by the
        # others on average only: the noise slows learning.
        model=dict(scale.student, norm_axis=None),
        inputs=(scale.video,),
        augment=seen(scale),
        prepare=tested(scale),
        optimizer=scale.optimizers[1],
        batch_size=scale.batch_sizes[1],
        teachers=("teacher",),
        stored_targets=("logits",),
    )

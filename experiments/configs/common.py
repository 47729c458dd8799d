"""What config pages share: the data sets by name, and the defaults of a role."""

from collections.abc import Mapping

import ml_collections

from experiments import measures

SIGNALS = {
    "synthetic": dict(
        name="synthetic",
        protocol="csub",
        seed=0,
        subjects=20,
        trials_per_subject=2,
        sensor="right_wrist",
    ),
    "utd_mhad": dict(name="utd_mhad", protocol="csub"),
    "utd_mhad_random_half": dict(name="utd_mhad", protocol="random_half"),
    "berkeley_mhad": dict(name="berkeley_mhad", protocol="csub", sensor="left_wrist"),
    "mmact": dict(name="mmact", protocol="cross_subject", sensor="acc_watch"),
    "mmact_cross_view": dict(name="mmact", protocol="cross_view", sensor="acc_watch"),
    "mmact_cross_scene": dict(name="mmact", protocol="cross_scene", sensor="acc_watch"),
    "mmact_cross_session": dict(
        name="mmact", protocol="cross_session", sensor="acc_watch"
    ),
}
"""Skeletons and worn sensors: loading options by the name behind the colon of
``--config=file.py:name``."""

VIDEOS = {
    "synthetic": dict(
        name="synthetic_views",
        protocol="csub",
        seed=0,
        subjects=20,
        trials_per_subject=2,
        cameras=3,
        size=48,
        views=3,
        main_view="each",
    ),
    "nw_ucla": dict(
        name="nw_ucla", protocol="cview", size=(48, 48), views=2, main_view="each"
    ),
    "utd_mhad": dict(
        name="utd_mhad", protocol="csub", modalities=("joints", "depth"), views=3
    ),
    **{
        protocol: dict(
            name="ntu",
            protocol=protocol,
            modalities=("joints", "rgb"),
            annotations="",
            strict=True,
            views=3,
            main_view="each",
        )
        for protocol in ("ntu60_csub", "ntu60_cview", "ntu120_csub", "ntu120_cset")
    },
}
"""Poses and videos of one or several cameras, likewise."""


PAIRS = {
    "synthetic": dict(
        name="synthetic_views",
        protocol="csub",
        modalities=("rgb", "ir"),
        seed=0,
        subjects=80,
        train_subjects=(),
        mislabelled=0.0,
        trials_per_subject=2,
        # All that differ by more than the side that a camera in front cannot tell.
        classes=(
            *("drink", "eat", "brush_teeth", "wave_right", "wave_both", "knock"),
            *("punch_right", "throw_right", "raise_left", "kick_right"),
            *("clap", "squat", "sit_down"),
        ),
        cameras=1,
        size=64,
        views=1,
    ),
    "utd_mhad": dict(
        name="utd_mhad", protocol="csub", modalities=("depth", "ir"), views=1
    ),
    **{
        f"ntu10_{protocol}": dict(
            name="ntu_infrared",
            protocol=protocol,
            modalities=("rgb", "ir"),
            strict=True,
        )
        for protocol in ("csub", "cview")
    },
    **{
        f"pku_{protocol}": dict(
            name="pku_mmd", protocol=protocol, modalities=("rgb", "ir"), strict=True
        )
        for protocol in ("cview", "csub")
    },
}
"""Pictures in colour or of depth, and infrared ones of the same performance."""


SCENES = {
    "synthetic": dict(
        name="synthetic_home",
        protocol="csub",
        modalities=("rgb", "audio", "human"),
        seed=0,
        subjects=36,
        recordings_per_subject=10,
        cameras=5,
        overlap="half",
        persons=2,
        size=32,
    ),
    **{
        dataset: dict(
            name=name,
            protocol="auto",
            modalities=("rgb", "audio", "human"),
            human="human",
            missing_views="drop",
            strict=True,
            seed=0,
        )
        for dataset, name in (
            ("home1", "multisensor_home"),
            ("home2", "multisensor_home2"),
        )
    },
}
"""Several actions at once before all cameras of a home, which hear as well."""


def data(
    name: str, known: Mapping[str, dict] = SIGNALS, **changes
) -> ml_collections.ConfigDict:
    """The ``data`` part of a config.

    Args:
      name: one of `known`.
      known: `SIGNALS`, `VIDEOS`, `PAIRS` or `SCENES`.
      **changes: ``transform``, a module of `data_pipelines.transforms` (``align``);
        ``align``, its options; ``standardise``, with mean and deviation of the training
        split, without which recordings stay in metres and g and networks normalise
        their input; ``cache``, keep what is read in memory.

    Raises:
      ValueError: where the name is unknown.
    """
    if name not in known:
        raise ValueError(f"no data set {name!r}: one of {', '.join(known)}")
    options = dict(
        data_dir="",
        holdout=(),
        transform="align",
        align={},
        cache=True,
        standardise=True,
    )
    return ml_collections.ConfigDict({**options, **known[name], **changes})


def role(
    *,
    method: dict,
    model: dict,
    inputs: tuple[str, ...],
    optimizer: dict,
    teachers: tuple[str, ...] = (),
    augment: tuple[dict, ...] = (),
    prepare: tuple[dict, ...] = (),
    batch_size: int = 32,
    trajectory: str = "",
    keep: str = "none",
    stored_targets: tuple[str, ...] = (),
    accumulate: int = 1,
    accumulate_coupled: tuple[str, ...] = (),
    statistics_groups: int = 1,
    remat: str = "",
    dtype: str = "float32",
) -> dict:
    """A role with every key that the runner reads.

    Args:
      method: ``name``, a module of `kdjax.methods`, and its options.
      model: ``name``, a module of `kdjax.models`, and its fields.
      inputs: what the network reads of a batch, in order.
      optimizer: of `experiments.optimizers`.
      teachers: see `experiments.build.Role`, and so are the keys without a word here.
      augment: what happens to a batch in training, functions of `kdjax.augment`.
      prepare: what happens to it before inference.
      batch_size: examples an update, over all devices.
      trajectory: run folder that the role is replayed from.
      keep: which of its epochs are saved.
      stored_targets: outputs of its teachers that are asked for once.
      accumulate: parts that a batch is worked through in, see `kdjax.accumulation`.
      accumulate_coupled: terms of the method that compare examples with each other and
        may see a part of the batch only; others refuse to be accumulated.
      statistics_groups: parts of a batch whose statistics are their own, in batch
        normalisation above all. One is the global batch; as many as devices are their
        shards.
      remat: what the network's blocks keep for the backward pass, a policy of
        `kdjax.models.remat`; all with "".
      dtype: of the network's computation, "float32" or "bfloat16"; parameters,
        statistics, softmax and losses are float32.

    Returns:
      The role's part of a config.
    """
    return dict(
        method=method,
        model=model,
        inputs=inputs,
        optimizer=optimizer,
        teachers=teachers,
        augment=augment,
        prepare=prepare,
        batch_size=batch_size,
        trajectory=trajectory,
        keep=keep,
        stored_targets=stored_targets,
        accumulate=accumulate,
        accumulate_coupled=accumulate_coupled,
        statistics_groups=statistics_groups,
        remat=remat,
        dtype=dtype,
    )


def base(data: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """A config with the keys of every experiment; pages add roles and a schedule."""
    return ml_collections.ConfigDict(
        dict(
            seed=1,
            data_by_seed=False,
            data=data,
            roles={},
            schedule=(),
            rounds=1,
            teacher_floor=0.5,
            view_devices=1,
            log_every=10,
            eval_every=10,
            checkpoint_every=500,
            keep_checkpoints=2,
            measures=measures.USUAL,
            tables={},
        )
    )


def sgd(
    learning_rate: float,
    *,
    weight_decay: float,
    clip_norm: float = 0.0,
    milestones: tuple[float, ...] = (),
) -> dict:
    """SGD with momentum 0.9; its rate falls to a tenth at `milestones`.

    Those are shares of the training; without them it follows a cosine over the whole
    schedule, after one epoch of warm-up.
    """
    schedule = dict(name="cosine", learning_rate=learning_rate, warmup_epochs=1.0)
    if milestones:
        schedule = dict(
            name="steps", learning_rate=learning_rate, milestones=milestones
        )
    return dict(
        name="sgd",
        weight_decay=weight_decay,
        nesterov=False,
        clip_norm=clip_norm,
        schedule=schedule,
    )


def adamw(
    learning_rate: float, *, weight_decay: float, warmup_epochs: float = 3.0
) -> dict:
    """AdamW on a cosine over the whole schedule, with a warm-up."""
    schedule = dict(
        name="cosine", learning_rate=learning_rate, warmup_epochs=warmup_epochs
    )
    return dict(
        name="adamw", weight_decay=weight_decay, decay_vectors=False, schedule=schedule
    )

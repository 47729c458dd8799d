"""What config pages share: the data sets by name, and the defaults of a role."""

import ml_collections

DATA = {
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
"""Loading options by the name behind the colon of ``--config=file.py:name``."""


def data(name: str, *, standardise: bool = True, **align) -> ml_collections.ConfigDict:
    """The ``data`` part of a config.

    Args:
      name: one of `DATA`.
      standardise: with mean and deviation of the training split; without it recordings
        stay in metres and g, and networks normalise their input.
      **align: options of `data_pipelines.transforms.align.Align`.

    Raises:
      ValueError: where the name is unknown.
    """
    if name not in DATA:
        raise ValueError(f"no data set {name!r}: one of {', '.join(DATA)}")
    options = dict(
        data_dir="",
        holdout=(),
        transform="align",
        cache=True,
        standardise=standardise,
    )
    return ml_collections.ConfigDict({**options, "align": align, **DATA[name]})


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
    stored_targets: bool = False,
) -> dict:
    """A role with every key that the runner reads, see `experiments.build.Role`."""
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
    )


def base(name: str, **options) -> ml_collections.ConfigDict:
    """A config with the keys of every experiment; pages add roles and a schedule."""
    return ml_collections.ConfigDict(
        dict(
            seed=1,
            data=data(name, **options),
            roles={},
            schedule=(),
            rounds=1,
            teacher_floor=0.5,
            log_every=10,
            eval_every=10,
            checkpoint_every=500,
            keep_checkpoints=2,
            tables={},
        )
    )


def adamw(learning_rate: float, *, weight_decay: float) -> dict:
    """AdamW on a cosine over the whole schedule, three epochs of warm-up."""
    schedule = dict(name="cosine", learning_rate=learning_rate, warmup_epochs=3.0)
    return dict(
        name="adamw", weight_decay=weight_decay, decay_vectors=False, schedule=schedule
    )

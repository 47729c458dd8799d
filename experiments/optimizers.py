"""Optimizers and learning-rate schedules by name, from a role's config."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax


def cosine(
    *,
    learning_rate: float,
    total_steps: int,
    steps_per_epoch: int,
    warmup_epochs: float,
) -> optax.Schedule:
    r"""Linear warm-up, then :math:`\eta_0 (1 + \cos(\pi t / T)) / 2` by step."""
    warmup = round(warmup_epochs * steps_per_epoch)

    def schedule(step):
        rise = jnp.minimum(1.0, (step + 1) / max(warmup, 1)) if warmup else 1.0
        part = (step - warmup) / max(total_steps - warmup, 1)
        return learning_rate * rise * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(part, 0, 1)))

    return schedule


def warm_restarts(
    *,
    learning_rate: float,
    total_steps: int,
    steps_per_epoch: int,
    restart_epochs: int,
    floor: float = 0.0,
) -> optax.Schedule:
    r"""Cosine over `restart_epochs`, again and again, constant within an epoch.

    It falls from `learning_rate` to `floor`, which it would reach one epoch later. With
    all epochs in one turn it is PyTorch's ``CosineAnnealingLR``.

    References:
      Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*,
      ICLR 2017, https://arxiv.org/abs/1608.03983.
    """
    del total_steps

    def schedule(step):
        epoch = (step // steps_per_epoch) % restart_epochs
        fall = 0.5 * (1 + jnp.cos(jnp.pi * epoch / restart_epochs))
        return floor + (learning_rate - floor) * fall

    return schedule


def steps(
    *,
    learning_rate: float,
    total_steps: int,
    steps_per_epoch: int,
    milestones: Sequence[float],
    factor: float = 0.1,
) -> optax.Schedule:
    """A rate that is multiplied by `factor` at each of some shares of the training."""
    del steps_per_epoch
    return optax.piecewise_constant_schedule(
        learning_rate, {round(share * total_steps): factor for share in milestones}
    )


def constant(
    *, learning_rate: float, total_steps: int, steps_per_epoch: int
) -> optax.Schedule:
    """The same rate throughout."""
    del total_steps, steps_per_epoch
    return lambda step: learning_rate


def adamw(
    rate: optax.Schedule, *, weight_decay: float, decay_vectors: bool = True
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay, on request of matrices and kernels alone."""

    def decayed(params):
        return jax.tree.map(lambda leaf: decay_vectors or leaf.ndim > 1, params)

    return optax.adamw(rate, weight_decay=weight_decay, mask=decayed)


def adam_l2(
    rate: optax.Schedule, *, weight_decay: float
) -> optax.GradientTransformation:
    """Adam with the penalty added to the gradient, as PyTorch's ``Adam``."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_adam(),
        optax.scale_by_learning_rate(rate),
    )


def sgd(
    rate: optax.Schedule,
    *,
    weight_decay: float,
    momentum: float = 0.9,
    nesterov: bool = True,
) -> optax.GradientTransformation:
    """Momentum with the penalty added to the gradient, as PyTorch's ``SGD``."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.sgd(rate, momentum=momentum, nesterov=nesterov),
    )


OPTIMIZERS: dict[str, Callable] = {"adamw": adamw, "adam_l2": adam_l2, "sgd": sgd}
SCHEDULES: dict[str, Callable] = {
    "cosine": cosine,
    "warm_restarts": warm_restarts,
    "steps": steps,
    "constant": constant,
}


def _choose(table: dict[str, Callable], kind: str, name: str) -> Callable:
    if name not in table:
        raise ValueError(f"no {kind} {name!r}: one of {sorted(table)}")
    return table[name]


def make(
    *,
    name: str,
    schedule: dict,
    total_steps: int,
    steps_per_epoch: int,
    clip_norm: float = 0.0,
    **options,
) -> optax.GradientTransformation:
    """The optimizer of one role.

    Args:
      name: one of `OPTIMIZERS`.
      schedule: ``name`` (one of `SCHEDULES`), ``learning_rate`` and its options.
      total_steps: steps the role takes in the whole run.
      steps_per_epoch: batches in one pass over the training split.
      clip_norm: largest global norm of a gradient; 0 leaves gradients alone.
      **options: of the optimizer.

    Returns:
      A gradient transformation.

    Raises:
      ValueError: where a name is unknown.
    """
    schedule = dict(schedule)
    build_schedule = _choose(SCHEDULES, "schedule", schedule.pop("name", ""))
    rate = build_schedule(
        total_steps=total_steps, steps_per_epoch=steps_per_epoch, **schedule
    )
    optimizer = _choose(OPTIMIZERS, "optimizer", name)(rate, **options)
    if clip_norm:
        return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
    return optimizer

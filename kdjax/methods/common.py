"""What every method does around its loss: augment, forward, target, reduce.

Padding has no weight in a loss. Batch normalisation in training counts it nevertheless,
so training batches carry none: the loader drops what does not fill one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from kdjax.core import Method, Network
from kdjax.typing import (
    Array,
    Batch,
    Float,
    Frozen,
    Metrics,
    Params,
    PRNGKeyArray,
    State,
)

Augment = Callable[[PRNGKeyArray, Batch], Batch]

ADAPTERS = "adapters"
"""Where modules that are trained beside a network live among its variables."""

STEP = "step"
"""Where a method whose weights follow a schedule counts its steps, in its state."""

Adapt = Callable[..., Array]
"""``(name, x, *shape) -> array``: x through the adapter of that name, which is trained."""


def deployed(variables: Mapping[str, Any]) -> dict[str, Any]:
    """A network's own variables; what training alone needs is left out."""
    beside = (ADAPTERS, STEP)
    return {name: part for name, part in variables.items() if name not in beside}


def fresh_adapters(
    build: Callable[..., Any] | None, key: PRNGKeyArray
) -> tuple[Adapt, dict[str, Any], dict[str, Any]]:
    """Adapters that come to be when they are first asked.

    Args:
      build: ``(*shape) -> module``.
      key: random key of the network, whose own draws stay as they are without adapters,
        so that both start alike.

    Returns:
      ``adapt``, and two dicts that it fills by name: parameters and state.
    """
    trained, kept = {}, {}

    def adapt(name, x, *shape):
        module = build(*shape)
        own_key = jax.random.fold_in(key, 1 + len(trained))
        variables = dict(module.init(own_key, x, train=False))
        trained[name], kept[name] = variables.pop("params"), variables
        return module.apply({"params": trained[name], **kept[name]}, x, train=False)

    return adapt, trained, kept


def trained_adapters(
    build: Callable[..., Any] | None, params: Params, state: State
) -> tuple[Adapt, dict[str, Any]]:
    """Adapters in training mode.

    Args:
      build: ``(*shape) -> module``.
      params: of the method.
      state: of the method.

    Returns:
      ``adapt``, and their state by name, which it renews.
    """
    kept = dict(state[ADAPTERS])

    def adapt(name, x, *shape):
        variables = {"params": params[ADAPTERS][name], **kept[name]}
        out, kept[name] = build(*shape).apply(
            variables, x, train=True, mutable=list(kept[name])
        )
        return out

    return adapt, kept


def masked_mean(values: Float[Array, "B"], batch: Batch) -> Float[Array, ""]:
    """Mean over the real examples of a batch, ``sum(x w) / sum(w)``."""
    weight = batch["mask"].astype(jnp.float32)
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1.0)


def target(
    batch: Batch, num_classes: int, label_smoothing: float = 0.0
) -> Float[Array, "B K"]:
    """The target distribution: one-hot labels, or what a mixing augmentation left.

    Raises:
      ValueError: where the smoothing is not in [0, 1).
    """
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing is {label_smoothing}, not in [0, 1)")
    hard = batch.get("target")
    if hard is None:
        hard = jax.nn.one_hot(batch["label"], num_classes)
    return (1.0 - label_smoothing) * hard + label_smoothing / num_classes


def correct(logits: Float[Array, "B K"], batch: Batch) -> Float[Array, "B"]:
    """1 where the largest logit is the label's."""
    return (jnp.argmax(logits, axis=-1) == batch["label"]).astype(jnp.float32)


def reduce(
    values: Float[Array, "B"],
    terms: Mapping[str, Float[Array, "B"]],
    logits: Float[Array, "B K"],
    batch: Batch,
) -> tuple[Float[Array, ""], Metrics]:
    """The loss of a batch and its metrics, each a mean over the real examples.

    Args:
      values: the total by example.
      terms: the unweighted terms by example, for the log.
      logits: of the network that is trained.
      batch: what it saw.

    Returns:
      The scalar to differentiate, and ``loss``, every term and ``accuracy``.
    """
    total = masked_mean(values, batch)
    metrics = {name: masked_mean(value, batch) for name, value in terms.items()}
    accuracy = masked_mean(correct(logits, batch), batch)
    return total, {"loss": total, **metrics, "accuracy": accuracy}


def forward(
    network: Network,
    augment: Augment | None,
    params: Params,
    state: State,
    batch: Batch,
    key: PRNGKeyArray,
) -> tuple[dict, State, Batch]:
    """Augments a batch and runs the network on it in training mode.

    Teachers are asked about the same augmented batch, so that their targets are
    consistent with what the student sees.

    Returns:
      The outputs, the updated state and the augmented batch.
    """
    augment_key, model_key = jax.random.split(key)
    if augment is not None:
        batch = augment(augment_key, batch)
    outputs, state = network.train(params, state, batch, model_key)
    return outputs, state, batch


def ask_teachers(
    teachers: Mapping[str, Method], frozen: Frozen, batch: Batch
) -> dict[str, dict]:
    """Every teacher's outputs in inference mode, as constants.

    A teacher whose outputs the batch carries, under `stored_key`, is not asked again.

    Args:
      teachers: methods by role.
      frozen: ``(params, state)`` by role.
      batch: what the student sees.

    Returns:
      Outputs by role.

    Raises:
      KeyError: where a teacher has no variables, naming it.
    """
    stored = {name: stored_outputs(batch, name) for name in teachers}
    missing = sorted(name for name in set(teachers) - set(frozen) if not stored[name])
    if missing:
        raise KeyError(
            f"no variables for the teachers {missing}, only {sorted(frozen)}"
        )
    return jax.lax.stop_gradient(
        {
            name: stored[name] or method.predict(*frozen[name], batch)
            for name, method in teachers.items()
        }
    )


def stored_key(teacher: str, name: str = "logits") -> str:
    """Key of a batch under which an output of a teacher travels that was asked once."""
    return f"{teacher}/{name}"


def flat_outputs(outputs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Array]:
    """Some outputs of a network, those that are tuples part by part.

    Args:
      outputs: of a network.
      names: those that are wanted, such as ``logits`` and ``stages``.

    Returns:
      ``logits``, ``stages/0``, ``stages/1`` and so on.

    Raises:
      KeyError: where the network has no such output.
    """
    found = {}
    for name in names:
        if name not in outputs:
            raise KeyError(f"the network gives {sorted(outputs)} and no {name!r}")
        parts = outputs[name]
        if isinstance(parts, tuple):
            found |= {f"{name}/{place}": part for place, part in enumerate(parts)}
        else:
            found[name] = parts
    return found


def stored_outputs(batch: Batch, teacher: str) -> dict[str, Any]:
    """The outputs of a teacher that a batch carries, as the network gave them.

    Args:
      batch: with keys `stored_key` of what `flat_outputs` made.
      teacher: role.

    Returns:
      Outputs by name; none where the batch carries none.
    """
    start = stored_key(teacher, "")
    flat = {k.removeprefix(start): v for k, v in batch.items() if k.startswith(start)}
    found: dict[str, Any] = {name: v for name, v in flat.items() if "/" not in name}
    for name in {name.partition("/")[0] for name in flat.keys() - found.keys()}:
        count = sum(each.startswith(f"{name}/") for each in flat)
        found[name] = tuple(flat[f"{name}/{place}"] for place in range(count))
    return found

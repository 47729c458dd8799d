"""How a role computes: keys that came after the first runs, and what their absence means."""

import types
from collections.abc import Mapping
from typing import Any

import jax
import ml_collections

from experiments.errors import RunError
from kdjax.core import Method

ADDED: Mapping[str, Any] = types.MappingProxyType(
    dict(
        accumulate=1,
        accumulate_coupled=(),
        statistics_groups=1,
        remat="",
        dtype="float32",
    )
)
"""By name, what a config that lacks the key means; see `experiments.configs.common.role`
for what they are."""

DTYPES = ("float32", "bfloat16")
"""Of a network's computation; narrower ranges than float32's would want scaled losses."""


def option(role: Any, name: str) -> Any:
    """The value of a key of `ADDED`.

    Args:
      role: the config of a role, which may have been written without the key.
      name: of the key.

    Returns:
      The role's value, or what its absence means.
    """
    return role.get(name, ADDED[name])


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """A config as it would be written today: nothing of it changes its meaning.

    Args:
      config: of any age, as nested dicts.

    Returns:
      The same with every key in every role.
    """
    roles = {name: {**ADDED, **role} for name, role in config.get("roles", {}).items()}
    return {**config, "roles": roles}


def positive(where: str, role: ml_collections.ConfigDict, name: str) -> int:
    """A key of a role that counts parts.

    Raises:
      RunError: where it is no positive number.
    """
    value = option(role, name)
    if not isinstance(value, int) or value < 1:
        raise RunError(f"config.{where}.{name} is {value!r}, no positive number")
    return value


def computed(where: str, role: ml_collections.ConfigDict) -> dict[str, Any]:
    """How a network computes, where that is not the default.

    Raises:
      RunError: where there is no such type.
    """
    found = {name: option(role, name) for name in ("dtype", "remat")}
    if found["dtype"] not in DTYPES:
        raise RunError(f"config.{where}.dtype is {found['dtype']!r}: one of {DTYPES}")
    return {name: value for name, value in found.items() if value != ADDED[name]}


def parts_of(
    where: str, config: ml_collections.ConfigDict, role: Any, method: Method
) -> int:
    """The parts that a role's batch is worked through in.

    Raises:
      RunError: where the batch does not divide into them, or a term of the loss compares
        examples and the config does not name it.
    """
    parts = positive(where, role, "accumulate")
    if parts == 1:
        return parts
    devices = max(jax.device_count() // config.view_devices, 1)
    if role.batch_size % (parts * devices):
        raise RunError(
            f"config.{where}.accumulate is {parts}: a batch of {role.batch_size} does "
            f"not divide into so many parts on each of {devices} device(s)"
        )
    unnamed = sorted(set(method.coupled) - set(option(role, "accumulate_coupled")))
    if unnamed:
        raise RunError(
            f"config.{where}.accumulate is {parts}, but the terms {unnamed} compare the "
            f"examples of a batch: of {role.batch_size} they would see "
            f"{role.batch_size // parts} at a time; what may is named in "
            f"config.{where}.accumulate_coupled"
        )
    return parts

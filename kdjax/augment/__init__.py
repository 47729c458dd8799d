"""What happens to a batch on the device, inside the jitted step: steps as data.

A step is a function of a module of this package, named ``module.function``. One that is
random maps ``(key, batch)`` to a batch, one that is not maps a batch alone; the first
serve training, the second what networks read at inference as well.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping

import jax

from kdjax.typing import Batch, PRNGKeyArray

Step = Callable[[PRNGKeyArray, Batch], Batch]
"""What a step of either kind becomes; one that draws nothing ignores the key."""


def compose(*functions: Step) -> Step:
    """One augmentation that applies several in order, each with a key of its own."""

    def augment(key: PRNGKeyArray, batch: Batch) -> Batch:
        for each, function in zip(jax.random.split(key, len(functions)), functions):
            batch = function(each, batch)
        return batch

    return augment


def find(name: str) -> Callable:
    """The function that a step names.

    Args:
      name: ``module.function``, such as ``signals.rotate``.

    Returns:
      The function.

    Raises:
      ValueError: where there is none.
    """
    module, _, function = name.rpartition(".")
    path = f"{__name__}.{module}"
    try:
        found = getattr(importlib.import_module(path), function)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != path:
            raise
        raise ValueError(f"no augmentation {name!r}: see {__name__}") from error
    return found


def step(function: str, num_classes: int, **options) -> Step:
    """One step from its name and options.

    Args:
      function: its name, see `find`.
      num_classes: passed to a function that makes targets.
      **options: its own.

    Returns:
      ``(key, batch) -> batch``.

    Raises:
      ValueError: where there is no such function.
      TypeError: where the function has no such option, or lacks one.
    """
    found = find(function)
    signature = inspect.signature(found)
    if "num_classes" in signature.parameters:
        options["num_classes"] = num_classes
    random = "key" in signature.parameters
    # A misspelt option fails here and not in the first step.
    signature.bind(*(None,) * (1 + random), **options)
    if random:
        return functools.partial(found, **options)
    return lambda key, batch: found(batch, **options)


def make(*steps: Mapping, num_classes: int) -> Step:
    """An augmentation from data: one mapping a step, its function and its options.

    Args:
      *steps: for example ``{"function": "signals.rotate", "name": "inertial"}``.
      num_classes: K.

    Returns:
      ``(key, batch) -> batch``.

    Raises:
      ValueError: where a step names no function.
      TypeError: where the function has no such option, or lacks one.
    """
    return compose(*(step(num_classes=num_classes, **each) for each in steps))


def prepare(*steps: Mapping, num_classes: int) -> Callable[[Batch], Batch]:
    """What a network reads at inference, from steps that draw nothing.

    Args:
      *steps: as of `make`.
      num_classes: K.

    Returns:
      ``batch -> batch``.

    Raises:
      ValueError: where a step names no function, or a random one.
      TypeError: where the function has no such option, or lacks one.
    """
    for each in steps:
        if "key" in inspect.signature(find(each["function"])).parameters:
            raise ValueError(f"{each['function']} is random: inference draws nothing")
    apply = make(*steps, num_classes=num_classes)
    return lambda batch: apply(jax.random.key(0), batch) if steps else batch

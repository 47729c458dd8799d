"""The names of the numbers that runs are judged by.

A config names those that its tables and its report show, the most important first.
"""

from collections.abc import Mapping, Sequence

from experiments.errors import RunError

NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "mean_class_accuracy": "mean class accuracy",
    "mean_ap": "mAP",
    "mean_ap_softmax": "mAP of the softmax",
    "mean_ap_examples": "mAP within examples",
    "frame_mean_ap": "frame mAP",
    "best_mean_ap": "best epoch's mAP, an oracle",
}
"""By the key of ``results.json``; all are shares that are shown in percent."""
USUAL = ("accuracy", "macro_f1")
BEST = "best_"
"""Of what the best epoch on the very split it is tested on would have given: no result,
since at deployment nobody knows which epoch that is."""


def checked(measures: Sequence[str]) -> tuple[str, ...]:
    """The measures of a config.

    Raises:
      RunError: where there is none, or one is unknown.
    """
    if not measures or not set(measures) <= set(NAMES):
        raise RunError(f"config.measures is {tuple(measures)}: some of {sorted(NAMES)}")
    return tuple(measures)


def heading(measure: str) -> str:
    """A measure's name at the beginning of a line."""
    name = NAMES[measure]
    return name if name.startswith("mAP") else name[0].upper() + name[1:]


def known(measures: Sequence[str], numbers: Mapping[str, float]) -> tuple[str, ...]:
    """Those of some measures that a role has; not every network judges frames."""
    return tuple(measure for measure in measures if measure in numbers)

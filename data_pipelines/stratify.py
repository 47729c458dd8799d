"""Random splits of recordings that show several classes each."""

import numpy as np

from data_pipelines.errors import DataError


def split(labels: np.ndarray, *, share: float = 0.7, seed: int = 0) -> list[bool]:
    r"""Choose training examples so that every class is split by the same share.

    Iterative stratification. With shares r_j, of the n examples side j is to get
    :math:`d_j = r_j n`, and of those of class k :math:`d_{j k} = r_j n_k`. Again and
    again the class with the fewest examples left is taken, and each of these goes to
    the side that lacks most of that class, of two equal ones to the side that lacks
    most examples; then one is taken off what that side is to get. Examples without a
    class come last. What is equal still is drawn.

    Args:
      labels: [n K], which classes occur in each example.
      share: of the training examples, between 0 and 1.
      seed: of the draws; the package iterative-stratification makes the same split of
        one seed.

    Returns:
      Of each example, whether it is one to train on.

    Raises:
      DataError: if the share is not between 0 and 1.

    References:
      Sechidis, Tsoumakas and Vlahavas, *On the Stratification of Multi-Label Data*,
      ECML PKDD 2011, https://doi.org/10.1007/978-3-642-23808-6_10.
    """
    if not 0 < share < 1:
        raise DataError(f"a share of {share:g} for training is not between 0 and 1")
    rng, present = np.random.RandomState(seed), np.asarray(labels) > 0
    shares = np.array([share, 1 - share])
    lacking = shares * len(present)
    lacking_of = np.outer(shares, present.sum(axis=0))
    side = np.full(len(present), -1)
    while (left := side < 0).any():
        counts = present[left].sum(axis=0)
        if counts.any():
            rare = _drawn(np.flatnonzero(counts == counts[counts > 0].min()), rng)
            # A view of the numbers that are counted down below.
            group, wish = left & present[:, rare], lacking_of[:, rare]
        else:
            group, wish = left, np.zeros(2)
        for example in np.flatnonzero(group):
            wanted = _largest(wish)
            chosen = _drawn(wanted[_largest(lacking[wanted])], rng)
            side[example] = chosen
            lacking[chosen] -= 1
            lacking_of[chosen, present[example]] -= 1
    return (side == 0).tolist()


def _largest(values: np.ndarray) -> np.ndarray:
    return np.flatnonzero(values == values.max())


def _drawn(choices: np.ndarray, rng: np.random.RandomState) -> int:
    # A single choice draws nothing.
    return int(choices[rng.choice(len(choices))] if len(choices) > 1 else choices[0])

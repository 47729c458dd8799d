"""The largest batch that fits into memory, found with few compilations."""

import math
from collections.abc import Callable


def guess(capacity: int, fixed: int, peak: int, each: int) -> int:
    """How many powers of two fit, if memory grows with the batch.

    Args:
      capacity: bytes of a device.
      fixed: bytes that do not grow, such as parameters.
      peak: bytes at `each` examples a device.
      each: examples a device.

    Returns:
      The exponent of the largest power of two; -1 where not even one example fits.
    """
    growing = max(peak - fixed, 1) / each
    room = (capacity - fixed) / growing
    return math.floor(math.log2(room)) if room >= 1 else -1


def search(fits: Callable[[int], int | None], low: int, high: int, first: int) -> int:
    """The largest exponent at which something fits, by bisection.

    Args:
      fits: says of an exponent where to look next if it fits, and None if it does not.
        What fits at one exponent fits at all smaller ones.
      low: an exponent that fits, or one less than the first to be tried.
      high: one that does not fit, or one more than the last to be tried.
      first: where to look first; taken to the nearest that is open.

    Returns:
      The exponent, `low` where no other fits.
    """
    try_next = first
    while high - low > 1:
        middle = min(max(try_next, low + 1), high - 1)
        following = fits(middle)
        if following is None:
            # What was hoped for was too much: halve what is left.
            high, try_next = middle, (low + middle) // 2
        else:
            low, try_next = middle, following
    return low

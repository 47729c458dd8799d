"""What a step will take, from what its compiler says and what is known of the chip.

Estimates, never measurements: no device has run the program.
"""

from typing import Any

from experiments import chips


def ring_bytes(kind: str, size: int, devices: int) -> float:
    """Bytes that a chip sends, at least, for a collective over all devices.

    Args:
      kind: as XLA names it.
      size: bytes of its result on one chip.
      devices: how many take part.

    Returns:
      Twice ``size (n - 1) / n`` for a reduction that everybody gets, once for a
      gathering or an exchange, all parts but the own for a reduction that is scattered.
    """
    if devices < 2:
        return 0.0
    share = (devices - 1) / devices
    known = {"all-reduce": 2 * share, "reduce-scatter": devices - 1.0}
    known |= dict.fromkeys(("all-gather", "all-to-all", "ragged-all-to-all"), share)
    return known.get(kind, 1.0) * size


def sending_seconds(found: dict[str, Any], chip: chips.Chip | None) -> float | None:
    """The least time of all collectives of a step; None where links are unknown."""
    count = found["device"]["count"]
    total = sum(
        ring_bytes(kind, each["bytes"], count)
        for kind, each in found["collectives"].items()
    )
    if not total:
        return 0.0
    known = chip is not None and chip.interconnect is not None
    return total / chip.interconnect if known else None


def floors(found: dict[str, Any], chip: chips.Chip | None) -> dict[str, float | None]:
    """Seconds that the products and the memory traffic of a chip take at their peaks."""
    peak = chips.peak_flops(found["device"]["kind"], found["arithmetic"])
    flops = found["model_flops"] / peak if peak else None
    bandwidth = chip.bandwidth if chip else None
    known = bandwidth and found["bytes_accessed"]
    return {
        "flops": flops,
        "bytes": found["bytes_accessed"] / bandwidth if known else None,
    }


def fits(found: dict[str, Any]) -> bool:
    """Whether a step has enough memory, as far as that is known.

    The compiler of TPUs refuses what does not fit; others find out when they run.
    """
    chip = chips.CHIPS.get(found["device"]["kind"])
    peak = found.get("memory", {}).get("peak", 0)
    return found["fits"] and (chip is None or peak <= chip.memory)


def estimated(found: dict[str, Any]) -> dict[str, Any]:
    """A role's numbers with what follows from them.

    Args:
      found: from `experiments.planned.planned`, of a program that fits.

    Returns:
      The same with ``operations_ms``, the estimated cycles over the chip's clock;
      ``collectives_ms``, as if nothing hid them and all links were full; their sum
      ``step_ms``; ``mfu``, ``examples_per_second``; ``floor_ms``, the larger of FLOPs
      over peak and bytes over bandwidth, with both; and what memory there is. None
      where something is not known.
    """
    chip = chips.CHIPS.get(found["device"]["kind"])
    peak = chips.peak_flops(found["device"]["kind"], found["arithmetic"])
    clock = chip.clock if chip else None
    cycles, sent = found["cycles"], sending_seconds(found, chip)
    busy = cycles / clock if cycles and clock else None
    step = busy + sent if busy is not None and sent is not None else None
    least = floors(found, chip)
    both = [seconds for seconds in least.values() if seconds is not None]
    return {
        **found,
        "peak_tflops": peak and peak / 1e12,
        "device_memory": chip and chip.memory,
        "clock": clock,
        "operations_ms": busy and busy * 1e3,
        "collectives_ms": None if sent is None else sent * 1e3,
        "step_ms": step and step * 1e3,
        "mfu": found["model_flops"] / (step * peak) if step and peak else None,
        "examples_per_second": found["batch_size"] / step if step else None,
        "flops_ms": least["flops"] and least["flops"] * 1e3,
        "bytes_ms": least["bytes"] and least["bytes"] * 1e3,
        "floor_ms": max(both) * 1e3 if len(both) == 2 else None,
    }

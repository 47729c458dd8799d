"""From cycles and bytes to times, and from memory to the largest batch."""

import pytest

from experiments import chips, estimates, largest

GIB = 2**30


def found(**changes):
    """A program on eight chips of v5e, in round numbers."""
    made = dict(
        device={"kind": "TPU v5 lite", "count": 8},
        arithmetic="bfloat16",
        model_flops=197e12 * 0.010,
        bytes_accessed=819e9 * 0.005,
        cycles=30_000_000,
        collectives={"all-reduce": {"count": 2, "bytes": 8_000_000}},
        batch_size=64,
        fits=True,
        memory={"peak": 4 * GIB},
    )
    return {**made, **changes}


def test_a_step_is_its_operations_and_what_chips_send():
    made = estimates.estimated(found())
    # 30 million cycles at 1.5 GHz; 2 x 7/8 of 8 MB over 200 GB/s.
    assert made["operations_ms"] == pytest.approx(20.0)
    assert made["collectives_ms"] == pytest.approx(0.07)
    assert made["step_ms"] == pytest.approx(20.07)
    assert made["mfu"] == pytest.approx(10 / 20.07)
    assert made["examples_per_second"] == pytest.approx(64 / 0.02007)
    assert made["flops_ms"] == pytest.approx(10.0)
    assert made["bytes_ms"] == pytest.approx(5.0)
    assert made["floor_ms"] == pytest.approx(10.0)
    assert made["device_memory"] == 16 * GIB


def test_what_is_not_known_stays_unknown():
    cpu = {"kind": "cpu", "count": 1}
    made = estimates.estimated(found(device=cpu, arithmetic=None, cycles=None))
    unknown = "peak_tflops device_memory clock operations_ms step_ms mfu floor_ms"
    assert {made[name] for name in unknown.split()} == {None}
    # One device sends nothing.
    assert made["collectives_ms"] == 0.0
    gpu = {"kind": "NVIDIA H100 80GB HBM3", "count": 8}
    made = estimates.estimated(found(device=gpu, cycles=None))
    assert made["step_ms"] is None and made["collectives_ms"] is None
    assert made["flops_ms"] > 0 and made["floor_ms"] >= made["bytes_ms"] > 0


@pytest.mark.parametrize(
    "kind, share",
    [
        ("all-reduce", 1.5),
        ("all-gather", 0.75),
        ("all-to-all", 0.75),
        ("reduce-scatter", 3.0),
        ("collective-permute", 1.0),
    ],
)
def test_collectives_send_what_a_ring_sends(kind, share):
    assert estimates.ring_bytes(kind, 1000, 4) == pytest.approx(1000 * share)
    assert estimates.ring_bytes(kind, 1000, 1) == 0.0


def test_what_exceeds_the_memory_does_not_fit():
    assert estimates.fits(found())
    assert not estimates.fits(found(memory={"peak": 17 * GIB}))
    assert not estimates.fits(found(fits=False))
    assert estimates.fits(found(device={"kind": "cpu", "count": 1}))


@pytest.mark.parametrize(
    "kind, units, side",
    [("TPU v4", 8, 128), ("TPU v5e", 4, 128), ("TPU v5p", 8, 128), ("TPU v6e", 4, 256)],
)
def test_clocks_and_peaks_are_of_one_chip(kind, units, side):
    # A multiplication and an addition in every cell of every matrix unit and cycle.
    chip = chips.CHIPS[kind]
    assert units * side**2 * 2 * chip.clock == pytest.approx(chip.bfloat16, rel=4e-3)


@pytest.mark.parametrize(
    "kind, gigabytes, link",
    [
        # https://docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e: bandwidth of the
        # memory; half of what links carry both ways, of v4 the pod's all-reduce, 1.1 PB/s
        # over 4,096 chips.
        ("TPU v4", 1200, 1.1e6 / 4096),
        ("TPU v5 lite", 819, 400 / 2),
        ("TPU v5", 2765, 1200 / 2),
        ("TPU v6 lite", 1638, 800 / 2),
    ],
)
def test_bandwidths_are_those_of_the_documentation(kind, gigabytes, link):
    chip = chips.CHIPS[kind]
    assert chip.bandwidth == pytest.approx(gigabytes * 1e9)
    assert chip.interconnect == pytest.approx(link * 1e9, rel=0.01)


@pytest.mark.parametrize("limit", [*range(-1, 10)])
@pytest.mark.parametrize("first", [-3, 0, 4, 20])
def test_the_search_ends_at_the_limit(limit, first):
    tried = []

    def fits(exponent):
        tried.append(exponent)
        return None if exponent > limit else exponent + 1

    assert largest.search(fits, -1, 10, first) == limit
    assert len(tried) == len(set(tried)) and set(tried) <= set(range(10))


def test_a_good_guess_needs_two_attempts():
    tried = []

    def fits(exponent):
        tried.append(exponent)
        return 6 if exponent <= 6 else None

    assert largest.search(fits, 2, 14, 6) == 6
    assert tried == [6, 7]


def test_memory_is_taken_to_grow_with_the_batch():
    # 2 GiB of parameters and 1 GiB an example: 14 examples, of which 8 are a power.
    assert largest.guess(16 * GIB, 2 * GIB, 6 * GIB, 4) == 3
    assert largest.guess(18 * GIB, 2 * GIB, 6 * GIB, 4) == 4
    assert largest.guess(16 * GIB, 2 * GIB, 17 * GIB, 1) == -1
    assert largest.guess(1 * GIB, 2 * GIB, 3 * GIB, 1) == -1
    assert largest.guess(16 * GIB, 2 * GIB, 2 * GIB, 1) == 33

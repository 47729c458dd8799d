"""Chips: peaks of known ones, and the numbers that products are computed in."""

import pytest

from experiments import chips


@pytest.mark.parametrize(
    "kind, numbers, tflops",
    [
        # https://docs.cloud.google.com/tpu/docs/v5e, .../v6e, .../tpu7x: 197, 918 and
        # 2307 TFLOP/s a chip; a chip of TPU7x is two devices.
        ("TPU v5 lite", "bfloat16", 197.0),
        ("TPU v6 lite", "bfloat16", 918.0),
        ("TPU7x", "bfloat16", 1153.5),
        # NVIDIA's data sheets of A100 and H100 SXM, the latter's halved: no sparsity.
        ("NVIDIA A100-SXM4-80GB", "tensorfloat32", 156.0),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 1979 / 2),
        ("NVIDIA H200", "float32", 67.0),
        # No TensorFloat32: float32 in full.
        ("Tesla T4", "tensorfloat32", 8.1),
    ],
)
def test_peaks_are_those_of_the_data_sheets(kind, numbers, tflops):
    assert chips.peak_flops(kind, numbers) == pytest.approx(tflops * 1e12, rel=2e-3)


def test_what_no_data_sheet_says_is_unknown():
    assert chips.peak_flops("cpu", "float32") is None
    assert chips.peak_flops("TPU v5 lite", "float32") is None
    assert chips.peak_flops("NVIDIA H200", None) is None


@pytest.mark.parametrize(
    "platform, operands, precision, numbers",
    [
        ("tpu", ["f32"], None, "bfloat16"),
        ("tpu", ["f32"], "highest", None),
        ("gpu", ["f32"], None, "tensorfloat32"),
        ("gpu", ["f32"], "highest", "float32"),
        ("gpu", ["bf16", "f32"], "highest", "bfloat16"),
        ("gpu", ["f64"], None, None),
        ("gpu", [], None, None),
        ("cpu", ["f32"], None, None),
    ],
)
def test_the_arithmetic_follows_the_precision(platform, operands, precision, numbers):
    assert chips.arithmetic(platform, operands, precision) == numbers

"""Peak speed and memory of accelerators, by the name that JAX gives the device.

Speeds are of dense products (half of what a data sheet gives "with sparsity") at boost
clock. What neither the table nor its sources know stays unknown: a share of a guessed
peak says nothing.

Clocks follow from the peaks: a matrix unit of TPU v4 to v5p takes 128 x 128 products a
cycle, and there are 8, 4 and 8 of them; TPU v6e takes as many as 4 units of 256 x 256.
The links of a chip carry in either direction what `interconnect` says; it is also the
chip's share of the bandwidth that Google states of an all-reduce over a whole pod.

References:
  Google Cloud, *TPU versions*, https://docs.cloud.google.com/tpu/docs/system-architecture,
  and its pages of v4, v5e, v5p and v6e.
  Jouppi et al., *TPU v4: An Optically Reconfigurable Supercomputer for Machine Learning
  with Hardware Support for Embeddings*, ISCA 2023, https://arxiv.org/abs/2304.01433.
  NVIDIA, data sheets and architecture white papers of V100, T4, A10, A100, L4, L40S,
  H100, H200, HGX B200, GA102 and AD102, https://resources.nvidia.com.
"""

from collections.abc import Collection
from typing import NamedTuple

T, GB, GIB = 1e12, 10**9, 2**30


class Chip(NamedTuple):
    """One JAX device: a whole chip, but a core of TPU v2, v3 and 7x.

    Attributes:
      bfloat16: FLOP/s, or None where unknown or not supported; so are the next two.
      tensorfloat32: FLOP/s of float32 products rounded to 10 bits of mantissa.
      float32: FLOP/s of full float32 products.
      memory: bytes.
      bandwidth: of that memory, bytes/s; None where unknown, as are the next two.
      clock: cycles/s.
      interconnect: bytes/s to all neighbours together, and as many from them.
    """

    bfloat16: float | None
    tensorfloat32: float | None
    float32: float | None
    memory: int
    bandwidth: float | None = None
    clock: float | None = None
    interconnect: float | None = None


_V4 = Chip(275 * T, None, None, 32 * GIB, 1200 * GB, 1.05e9, 270 * GB)
_V5E = Chip(197 * T, None, None, 16 * GIB, 819 * GB, 1.5e9, 200 * GB)
_V5P = Chip(459 * T, None, None, 95 * GIB, 2765 * GB, 1.75e9, 600 * GB)
_V6E = Chip(918 * T, None, None, 32 * GIB, 1638 * GB, 1.75e9, 400 * GB)
_A100 = Chip(312 * T, 156 * T, 19.5 * T, 40 * GB, 1555 * GB)
_H100 = Chip(989.4 * T, 494.7 * T, 66.9 * T, 80 * GB, 3350 * GB)

CHIPS = {
    "TPU v2": Chip(45 / 2 * T, None, None, 8 * GIB),
    "TPU v3": Chip(123 / 2 * T, None, None, 16 * GIB),
    "TPU v4": _V4,
    "TPU v5 lite": _V5E,
    "TPU v5e": _V5E,
    "TPU v5": _V5P,
    "TPU v5p": _V5P,
    "TPU v6 lite": _V6E,
    "TPU v6e": _V6E,
    "TPU7x": Chip(2307 / 2 * T, None, None, 96 * GIB),
    "Tesla V100-SXM2-16GB": Chip(None, None, 15.7 * T, 16 * GB),
    "Tesla V100-SXM2-32GB": Chip(None, None, 15.7 * T, 32 * GB),
    "Tesla T4": Chip(None, None, 8.1 * T, 16 * GB),
    "NVIDIA A10": Chip(125 * T, 62.5 * T, 31.2 * T, 24 * GB),
    "NVIDIA A100-SXM4-40GB": _A100,
    "NVIDIA A100-PCIE-40GB": _A100,
    "NVIDIA A100-SXM4-80GB": _A100._replace(memory=80 * GB, bandwidth=2039 * GB),
    "NVIDIA A100 80GB PCIe": _A100._replace(memory=80 * GB, bandwidth=1935 * GB),
    "NVIDIA L4": Chip(121 * T, 60 * T, 30.3 * T, 24 * GB),
    "NVIDIA L40S": Chip(362 * T, 183 * T, 91.6 * T, 48 * GB),
    "NVIDIA H100 80GB HBM3": _H100,
    "NVIDIA H100 PCIe": Chip(756.5 * T, 378 * T, 51 * T, 80 * GB, 2000 * GB),
    "NVIDIA H200": _H100._replace(memory=141 * GB, bandwidth=4800 * GB),
    "NVIDIA B200": Chip(2250 * T, 1125 * T, None, 180 * GB),
    "NVIDIA GeForce RTX 3090": Chip(71.2 * T, 35.6 * T, 35.6 * T, 24 * GB),
    "NVIDIA GeForce RTX 4090": Chip(165.2 * T, 82.6 * T, 82.6 * T, 24 * GB),
}
"""By ``jax.Device.device_kind``."""

_REDUCED = (None, "default", "fastest", "bfloat16")
_THREE_PASSES = ("high", "bfloat16_3x", "tensorfloat32")


def arithmetic(
    platform: str, operands: Collection[str], precision: str | None
) -> str | None:
    """What the hardware multiplies when a program multiplies matrices.

    JAX rounds float32 operands unless it is told not to: to bfloat16 on a TPU, to
    TensorFloat32 on a GPU that has it. Mixed precision counts as its fastest part.

    Args:
      platform: "tpu" or "gpu"; nothing is known of others.
      operands: element types of the products, as XLA names them: "f32", "bf16".
      precision: the value of ``jax_default_matmul_precision``.

    Returns:
      "bfloat16", "tensorfloat32" or "float32"; None where that is not known.
    """
    if platform not in ("tpu", "gpu") or not set(operands) <= {"f32", "bf16"}:
        return None
    if "bf16" in operands:
        return "bfloat16"
    if platform == "tpu":
        # More passes over bfloat16 have no published peak.
        return "bfloat16" if operands and precision in _REDUCED else None
    if precision in ("highest", "float32"):
        return "float32"
    known = operands and precision in _REDUCED + _THREE_PASSES
    return "tensorfloat32" if known else None


def peak_flops(kind: str, numbers: str | None) -> float | None:
    """Peak FLOP/s of one device.

    Args:
      kind: ``jax.Device.device_kind``.
      numbers: what `arithmetic` returned.

    Returns:
      FLOP/s; None where the table does not know. A GPU from before TensorFloat32
      computes float32 in full.
    """
    chip = CHIPS.get(kind)
    if chip is None or numbers is None:
        return None
    if numbers == "tensorfloat32" and chip.tensorfloat32 is None:
        return chip.float32
    return getattr(chip, numbers)

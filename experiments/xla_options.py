"""What XLA's compiler is told of a program, by the platform that runs it."""

import functools
import os

import jax
import jax.numpy as jnp

_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
_WITHOUT_CONVOLUTIONS = {
    _LIBRARY: "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
}


def of_steps(platform: str | None = None) -> dict[str, str]:
    """Options of `jax.jit` for programs that run often, such as training steps.

        jax.jit(step, compiler_options=xla_options.of_steps())

    XLA gives a CPU's convolutions of float32 pictures to YNNPACK, which computes each on
    one core. With these options Eigen computes them, on all cores: PoseC3D's step takes
    0.7 times as long on two (`benchmarks.video_vs_pytorch`). Matrix products and sums are
    left to YNNPACK, which spreads them over cores.

    Args:
      platform: of the devices, ``cpu``, ``gpu`` or ``tpu``; by default that which JAX
        prefers here.

    Returns:
      ``compiler_options``. Nothing but for a CPU, where ``XLA_FLAGS`` chooses itself what
      YNNPACK computes, or where this version of XLA does not know the option.
    """
    chosen = _LIBRARY in os.environ.get("XLA_FLAGS", "")
    if (platform or jax.default_backend()) != "cpu" or chosen or not _known():
        return {}
    return dict(_WITHOUT_CONVOLUTIONS)


def of_starts(platform: str) -> dict[str, int]:
    """Options of `jax.jit` for programs that draw initial values, and run once.

    A CPU's compiler takes a minute to optimise the random numbers of each layer.

    Args:
      platform: of the devices.

    Returns:
      ``compiler_options``; nothing but for a CPU.
    """
    return {"xla_backend_optimization_level": 0} if platform == "cpu" else {}


@functools.cache
def _known() -> bool:
    """Whether this XLA has the option, which is named experimental and may go."""
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        program = jax.jit(jnp.negative, compiler_options=_WITHOUT_CONVOLUTIONS)
        try:
            program.lower(0.0).compile()
        except jax.errors.JaxRuntimeError:
            return False
    return True

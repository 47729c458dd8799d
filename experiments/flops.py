"""The floating-point operations of a model, counted where it is traced.

Matrix products and convolutions count, a multiplication and an addition each; nothing
else does. The count is of the mathematics, not of any compiler's program: neither
padding nor what a compiler computes twice is in it, and loops of known length count as
often as they run.
"""

import math
from collections.abc import Iterator
from typing import Any

import jax
import ml_collections
import numpy as np
from jax.extend import core
from jax.sharding import Mesh

from experiments.build import Experiment, build
from experiments.roles import ADDED
from experiments.train import compile_steps

SHORT = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "float64": "f64"}
"""Element types as XLA names them."""


def _dot(eqn: core.JaxprEqn) -> int:
    (left, _), _ = eqn.params["dimension_numbers"]
    summed = math.prod(eqn.invars[0].aval.shape[axis] for axis in left)
    return 2 * math.prod(eqn.outvars[0].aval.shape) * summed


def _taps(
    size: int, kernel: int, out: int, stride: int, pad: int, holes: tuple[int, int]
) -> int:
    """Pairs of an output and a weight, along one axis, that meet a real input.

    Args:
      size: of the input along the axis.
      kernel: taps.
      out: of the output.
      stride: of the window.
      pad: positions before the input; may be negative.
      holes: dilation of the input and of the kernel.
    """
    spread, apart = holes
    at = np.arange(out)[:, None] * stride + np.arange(kernel) * apart - pad
    return int(((at >= 0) & (at <= (size - 1) * spread) & (at % spread == 0)).sum())


def _convolution(eqn: core.JaxprEqn) -> int:
    data, weights = (each.aval.shape for each in eqn.invars)
    out, params = eqn.outvars[0].aval.shape, eqn.params
    order = params["dimension_numbers"]
    axes = zip(order.lhs_spec[2:], order.rhs_spec[2:], order.out_spec[2:])
    met = math.prod(
        _taps(data[i], weights[k], out[o], stride, pad, (spread, apart))
        for (i, k, o), stride, (pad, _), spread, apart in zip(
            axes,
            params["window_strides"],
            params["padding"],
            params["lhs_dilation"],
            params["rhs_dilation"],
        )
    )
    # Of a grouped convolution the weights have the input channels of one group.
    rows, channels = out[order.out_spec[0]], out[order.out_spec[1]]
    return 2 * rows * channels * weights[order.rhs_spec[1]] * met


COUNTED = {"dot_general": _dot, "conv_general_dilated": _convolution}


def _inner(eqn: core.JaxprEqn) -> Iterator[tuple[list, int, bool]]:
    """The programs inside an equation.

    Yields:
      Programs of which one runs, how often it runs, and whether its results are those
      of the equation, one by one.
    """
    params = eqn.params
    if eqn.primitive.name == "scan":
        yield [params["jaxpr"]], params["length"], False
    elif eqn.primitive.name == "while":
        yield [params["body_jaxpr"]], 1, False
    elif "branches" in params:
        yield _ways(eqn), 1, True
    else:
        for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
            if name in params:
                yield [params[name]], 1, True
                break


def _ways(eqn: core.JaxprEqn) -> list[Any]:
    """The branches of an equation that may run."""
    branches = eqn.params["branches"]
    platforms = eqn.params.get("branches_platforms") or ()
    # What is written for some platforms computes what the one without names says.
    return [b for b, names in zip(branches, platforms) if not names] or list(branches)


def _live(
    jaxpr: core.Jaxpr, used: list[bool] | None
) -> Iterator[tuple[core.JaxprEqn, list[bool]]]:
    """The equations that something returned depends on, last one first.

    Args:
      jaxpr: open.
      used: which results are asked for; None for all.

    Yields:
      Equations, and which of their results are asked for.
    """
    asked = used if used and len(used) == len(jaxpr.outvars) else None
    needed = {id(v) for i, v in enumerate(jaxpr.outvars) if asked is None or asked[i]}
    for eqn in reversed(jaxpr.eqns):
        wanted = [id(v) in needed for v in eqn.outvars]
        if any(wanted):
            needed |= {id(v) for v in eqn.invars}
            yield eqn, wanted


def count(jaxpr: Any, used: list[bool] | None = None) -> tuple[int, set[str]]:
    """FLOPs of a traced program and the element types that it multiplies.

    Args:
      jaxpr: closed or open, such as `jax.stages.Traced.jaxpr`.
      used: which results are asked for; None for all.

    Returns:
      The number, and names as XLA has them. Of a branch the costliest way counts, the
      body of a loop of unknown length once.
    """
    total, kinds = 0, set()
    for eqn, wanted in _live(getattr(jaxpr, "jaxpr", jaxpr), used):
        if rule := COUNTED.get(eqn.primitive.name):
            total += rule(eqn)
            kind = str(eqn.invars[0].aval.dtype)
            kinds.add(SHORT.get(kind, kind))
        for inside, times, same in _inner(eqn):
            ways = [count(way, wanted if same else None) for way in inside]
            total += times * max(flops for flops, _ in ways)
            kinds = kinds.union(*(found for _, found in ways))
    return total, kinds


def of_step(
    experiment: Experiment,
    name: str,
    mesh: Mesh,
    arguments: tuple,
    traced: jax.stages.Traced,
) -> tuple[int, set[str]]:
    """FLOPs of a role's training step over all devices, and the types it multiplies.

    Args:
      experiment: of the role.
      name: of the role.
      mesh: that the step is compiled for.
      arguments: of its step, arrays or their shapes.
      traced: the step. Where the network computes something twice, another one is traced
        that does not: the second time is no work of the model's.

    Returns:
      As `count`.
    """
    role = experiment.config.roles[name]
    if any(part.get("remat") for part in (role, role.model)):
        plain = ml_collections.ConfigDict(experiment.config.to_dict())
        if "remat" in plain.roles[name].model:
            del plain.roles[name].model.remat
        plain.roles[name].remat = ADDED["remat"]
        again = build(plain.lock(), experiment.data)
        traced = compile_steps(again, mesh)[name].trace(*arguments)
    return count(traced.jaxpr)

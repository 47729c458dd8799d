"""What the blocks of a network keep for the backward pass, and what is computed again."""

import functools
from typing import Any

import flax.linen as nn
import jax
from jax import lax

from kdjax.typing import Array

PRODUCTS = (lax.dot_general_p, lax.conv_general_dilated_p)


def _products(primitive: Any, *operands: Any, **options: Any) -> bool:
    """Whether a value is the result of a matrix product or a convolution."""
    del operands, options
    return primitive in PRODUCTS


POLICIES = {
    "nothing_saveable": jax.checkpoint_policies.nothing_saveable,
    "dots_with_no_batch_dims_saveable": (
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    ),
    "products_saveable": _products,
}
"""By name, what a block keeps besides its input: nothing, so that it runs twice; the
products with its weights and not those of attention, as suits a transformer; or all matrix
products and convolutions, so that only what is cheap runs twice. The first two are JAX's."""


def run(
    module: nn.Module,
    *arrays: Array | None,
    policy: str = "",
    method: str = "__call__",
    **options: Any,
) -> Any:
    """A block's outputs; of what lies between, the policy says what is kept.

    Outputs, gradients, draws of dropout and variables are those without a policy.

    Args:
      module: the block, or the network that a block is a method of.
      *arrays: what it reads.
      policy: one of `POLICIES`; "" keeps all.
      method: its name.
      **options: of the method, constants such as ``train``.

    Returns:
      What the method returns.

    Raises:
      ValueError: where there is no such policy.
    """
    if policy and policy not in POLICIES:
        raise ValueError(f"remat is {policy!r}: '' or one of {', '.join(POLICIES)}")
    block = functools.partial(getattr(type(module), method), **options)
    if policy:
        block = nn.checkpoint(block, policy=POLICIES[policy])
    return block(module, *arrays)

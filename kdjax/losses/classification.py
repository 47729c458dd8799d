"""Losses against labels."""

import jax
import jax.numpy as jnp

from kdjax.losses._common import as_float32, check_shapes, constant
from kdjax.typing import Array, Float, Int


def cross_entropy(
    logits: Float[Array, "*B K"],
    label: Int[Array, "*B"],
    *,
    label_smoothing: float = 0.0,
) -> Float[Array, "*B"]:
    r"""Cross-entropy of a class index, with label smoothing on request.

    .. math:: -(1 - \epsilon) \log p_y - \frac{\epsilon}{K} \sum_c \log p_c

    Args:
      logits: unnormalised scores.
      label: class indices in ``[0, K)``; one out of range is clamped to it, as every
        gather in JAX is, so check labels on the host.
      label_smoothing: :math:`\epsilon` in ``[0, 1)``; the true class keeps
        :math:`1 - \epsilon + \epsilon / K`.

    Returns:
      One value per example.

    Raises:
      ValueError: where the shapes disagree or the smoothing is out of range.

    References:
      Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, *Rethinking the Inception
      Architecture for Computer Vision*, CVPR 2016, arXiv:1512.00567.
    """
    check_shapes("label", label.shape, "logits", logits.shape[:-1])
    _check_smoothing(label_smoothing)
    (logits,) = as_float32(logits)
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, label[..., None], axis=-1, mode="clip")[..., 0]
    smooth = label_smoothing
    return -(1.0 - smooth) * picked - smooth * jnp.mean(log_p, axis=-1)


def soft_cross_entropy(
    logits: Float[Array, "*B K"],
    target: Float[Array, "*B K"],
    *,
    label_smoothing: float = 0.0,
) -> Float[Array, "*B"]:
    r"""Cross-entropy of a distribution over classes, such as mixup makes of two labels.

    .. math:: -\sum_c \left((1 - \epsilon) q_c + \frac{\epsilon}{K}\right) \log p_c

    Args:
      logits: unnormalised scores.
      target: :math:`q`, non-negative and summing to one; no gradient flows into it.
      label_smoothing: :math:`\epsilon` in ``[0, 1)``.

    Returns:
      One value per example; with one-hot targets that of ``cross_entropy``.

    Raises:
      ValueError: where the shapes disagree or the smoothing is out of range.

    References:
      Zhang, Cisse, Dauphin and Lopez-Paz, *mixup: Beyond Empirical Risk Minimization*,
      ICLR 2018, arXiv:1710.09412.
    """
    check_shapes("target", target.shape, "logits", logits.shape)
    _check_smoothing(label_smoothing)
    (logits,) = as_float32(logits)
    smooth = label_smoothing
    target = (1.0 - smooth) * constant(target) + smooth / logits.shape[-1]
    return -jnp.sum(target * jax.nn.log_softmax(logits), axis=-1)


def _check_smoothing(label_smoothing: float) -> None:
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing must be in [0, 1), not {label_smoothing}")

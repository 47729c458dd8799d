"""Cross-entropy on labels: every teacher, and the undistilled student."""

from kdjax.core import Method, Network
from kdjax.losses.classification import soft_cross_entropy
from kdjax.methods import common


def make(
    *,
    network: Network,
    augment: common.Augment | None = None,
    label_smoothing: float = 0.0,
) -> Method:
    """Supervised training of one network.

    Args:
      network: what is trained.
      augment: ``(key, batch) -> batch``, on the device.
      label_smoothing: mass spread evenly over the classes, in [0, 1).

    Returns:
      A method with the metrics ``loss`` and ``accuracy``.
    """

    def init(key, batch, frozen):
        del frozen
        return network.init(key, batch)

    def loss(params, state, frozen, batch, key):
        del frozen
        outputs, state, batch = common.forward(
            network, augment, params, state, batch, key
        )
        logits = outputs["logits"]
        target = common.target(batch, logits.shape[-1], label_smoothing)
        values = soft_cross_entropy(logits, target)
        total, metrics = common.reduce(values, {}, logits, batch)
        return total, (state, metrics)

    return Method(init, loss, network.infer)

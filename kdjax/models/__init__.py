"""Backbones, one a file, each a Linen module named ``Model``."""

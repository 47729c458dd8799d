"""Datasets, one a file: raw layout, protocols, builder and ``load``."""

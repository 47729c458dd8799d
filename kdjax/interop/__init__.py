"""Weights from and to other frameworks, by name, with every tensor accounted for."""

"""Losses by mathematics: pure functions of arrays, one value per example."""

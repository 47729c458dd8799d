"""Per-recording transforms by modality, pure NumPy."""

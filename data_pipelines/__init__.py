"""Raw recordings to ArrayRecord to batches of NumPy arrays."""

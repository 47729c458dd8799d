"""What a reader raises when a file or a data set cannot be used."""


class DataError(ValueError):
    """Bad input: the message is one sentence that names the file or the key."""

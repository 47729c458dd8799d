"""Methods, one paper a file, each a factory named ``make``."""

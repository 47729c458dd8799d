"""The runner: one loop, one set of commands, one config page a method."""

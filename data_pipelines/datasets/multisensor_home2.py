"""MultiSensor-Home, the second home: the layout of `multisensor_home`, another home.

A name of its own keeps the two homes, whose classes differ, apart: in the folder of
prepared data, and in the files of trained networks.
"""

import functools

from data_pipelines import builder
from data_pipelines.datasets import multisensor_home
from data_pipelines.datasets.multisensor_home import read_recording, videos

__all__ = ["LAYOUT", "Builder", "load", "read_recording", "videos"]

LAYOUT = multisensor_home.LAYOUT._replace(name="multisensor_home2")


class Builder(builder.RecordingsBuilder):
    """Builds the second home into ArrayRecord."""

    name = LAYOUT.name
    layout = LAYOUT


load = functools.partial(multisensor_home.load, name=LAYOUT.name)

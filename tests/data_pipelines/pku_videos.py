"""Helpers of the tests of PKU-MMD: raw videos, and the data set made of them."""

from data_pipelines.dataset import rows
from data_pipelines.datasets import pku_mmd
from data_pipelines.prepare import prepare
from tests.data_pipelines import raw_files

# By the rule camera L tests views, and videos 0291 to 0334 test subjects.
NAMES = ("0002-L", "0002-M", "0002-R", "0003-M", "0291-L")


def small(folder):
    """Raw files of three short videos."""
    options = {"lines": ["1,5,20,1", "2,30,60,2"], "rgb": 70, "ir": 70}
    return raw_files.pku_mmd(folder, NAMES[:3], **options)


def build(raw_dir, data_dir, **options):
    """Prepare the raw files; the report."""
    options = {"max_skipped": 0.9, **options}
    return prepare("pku_mmd", raw_dir=raw_dir, data_dir=data_dir, **options)


def load(data_dir, **options):
    """What was prepared, however many videos there are."""
    return pku_mmd.load(data_dir=data_dir, strict=False, **options)


def keys(split):
    """The names of the examples of a split."""
    return [row.key for row in rows(split)]


def videos(dataset):
    """Side -> the videos whose actions are on it."""
    return {
        side: sorted({key[:6] for key in keys(source)})
        for side, source in dataset.splits.items()
    }

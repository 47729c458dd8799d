"""Outlines: what data sets look like, beside what they are once they are prepared."""

import importlib

import numpy as np
import pytest

from data_pipelines import video
from data_pipelines.dataset import rows
from data_pipelines.datasets import ntu_infrared, outline
from data_pipelines.errors import DataError
from data_pipelines.prepare import prepare
from experiments import build
from experiments.configs import cmmvl, common, pskd, rgb2ir, vicokd
from tests.data_pipelines import raw_files


def outlined(page, dataset):
    config = page.get_config(dataset)
    config.data.update(name="outline", of=config.data.name, cache=False)
    if "frames" in config.data.align:
        config.data.align.frames = 8  # spectrograms of all 70 take seconds
    return build.build_data(config)


@pytest.mark.parametrize(
    "known, dataset",
    [
        (known, name)
        for known in ("SIGNALS", "VIDEOS", "PAIRS", "SCENES")
        for name in vars(common)[known]
        if name != "synthetic"
    ],
)
def test_every_data_set_of_a_page_has_an_outline(known, dataset):
    options = dict(vars(common)[known][dataset])
    made = outline.load(of=options.pop("name"), data_dir="", holdout=(), **options)
    assert set(made.splits) == {"train", "test"}
    example = made.splits["train"][0]
    seen = example["views"][-1] if "views" in example else example
    assert set(made.modalities) <= set(seen)
    assert len(rows(made.splits["train"])) == len(made.splits["train"]) > 100


@pytest.mark.parametrize(
    "page, dataset, shapes, classes",
    [
        (pskd, "utd_mhad", dict(skeleton=(128, 1, 20, 3), inertial=(128, 3)), 27),
        (pskd, "berkeley_mhad", dict(inertial=(128, 3)), 11),
        (pskd, "mmact", dict(skeleton=(128, 2, 17, 3), inertial=(128, 3)), 37),
        (
            cmmvl,
            "ntu120_cset",
            dict(joints=(3, 48, 2, 25, 3), rgb=(3, 32, 256, 456, 3), view_mask=(3,)),
            120,
        ),
        (
            cmmvl,
            "nw_ucla",
            dict(joints=(2, 16, 1, 20, 3), depth=(2, 16, 48, 48, 1)),
            10,
        ),
        (
            rgb2ir,
            "pku_cview",
            dict(rgb=(1, 8, 256, 456, 3), ir=(1, 8, 256, 310, 1)),
            51,
        ),
        (
            vicokd,
            "home1",
            dict(
                rgb=(5, 8, 224, 224, 3),
                audio=(5, 8, 64, 128),
                frame_labels=(8, 16),
                visible=(5, 8),
            ),
            16,
        ),
    ],
)
def test_pages_see_the_sizes_of_the_official_recordings(page, dataset, shapes, classes):
    made = outlined(page, dataset)
    example = made.sources["train"][0]
    assert {name: np.shape(example[name]) for name in shapes} == shapes
    assert len(made.dataset.classes) == classes


def test_stored_frames_have_the_size_that_prepare_gives_them():
    # 1920 by 1080 and 512 by 424 pixels, the short side 256.
    for size, stored in (
        ((1920, 1080), outline.COLOUR),
        ((512, 424), outline.INFRARED),
    ):
        width, height = video._fitted(*size, video.SHORT_SIDE)
        assert (height, width) == stored[:2]


def alike(made, real):
    """Whether examples have the same fields, types and axes."""
    assert made.keys() == real.keys()
    for name in made.keys() - {"key"}:
        ours, theirs = np.asarray(made[name]), np.asarray(real[name])
        assert (ours.dtype, ours.ndim) == (theirs.dtype, theirs.ndim), name


def test_an_outline_is_what_prepared_videos_give_but_for_their_sizes(tmp_path):
    keys = [f"S001C00{c}P00{p}R001A001" for c in (1, 2, 3) for p in (1, 3)]
    raw_files.ntu_infrared(tmp_path / "raw", keys)
    prepare("ntu_infrared", raw_dir=tmp_path / "raw", data_dir=tmp_path / "data")
    config = rgb2ir.get_config("ntu10_csub")
    config.data.update(data_dir=str(tmp_path / "data"), strict=False)
    real = build.build_data(config)
    made = outlined(rgb2ir, "ntu10_csub")
    alike(made.sources["train"][0], real.sources["train"][0])
    alike(made.sources["test"][0], real.sources["test"][0])
    assert made.dataset.classes == real.dataset.classes == ntu_infrared.CLASSES
    assert made.dataset.topology == real.dataset.topology
    assert made.dataset.modalities == real.dataset.modalities


def test_options_are_those_of_the_data_set():
    with pytest.raises(DataError, match="no outline of 'kinetics', only of berkeley_m"):
        outline.load(of="kinetics", protocol="csub")
    with pytest.raises(TypeError, match="colour"):
        outline.load(of="ntu", protocol="ntu60_csub", views=1, colour=True)
    with pytest.raises(DataError, match="ntu has no 'ntu60'"):
        outline.load(of="ntu", protocol="ntu60", views=1)
    with pytest.raises(DataError, match="utd_mhad has no modality 'rgb'"):
        outline.load(of="utd_mhad", protocol="csub", modalities=("rgb",))


def test_poses_of_an_annotation_file_have_other_joints():
    options = dict(of="ntu", protocol="ntu60_csub", views=2, modalities=("joints",))
    kinect = outline.load(**options, annotations="")
    found = outline.load(**options, annotations="poses.pkl")
    joints = [d.splits["train"][0]["views"][0]["joints"] for d in (kinect, found)]
    assert [each.shape[2] for each in joints] == [25, 17]
    assert (kinect.topology, found.topology) == ("kinect_v2", "coco")


def test_a_number_of_examples_is_that_of_the_protocol():
    made = outline.load(of="ntu", protocol="ntu60_cview", views=3)
    sizes = importlib.import_module("data_pipelines.ntu_names").SIZES
    assert len(made.splits["train"]) == sizes["ntu60_cview"][0]

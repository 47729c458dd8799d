"""The recordings of NTU RGB+D: how many there are, who trains and who tests."""

import pytest

from data_pipelines import ntu_names
from data_pipelines.errors import DataError
from data_pipelines.views import Place


@pytest.fixture(scope="module")
def names():
    return list(ntu_names.every_name())


def test_there_are_as_many_recordings_as_published(names):
    assert len(names) == len(set(names)) == 114_480
    assert len(list(ntu_names.every_name(range(1, 18)))) == 56_880
    subjects = {s for group in ntu_names.SUBJECTS.values() for s in group}
    assert subjects == set(range(1, 107))


def test_the_missing_skeletons_are_those_published(names):
    missing = ntu_names.missing()
    assert len(missing) == 535 and missing <= set(names)
    assert sum(ntu_names.parse(name).setup <= 17 for name in missing) == 302


@pytest.mark.parametrize("number", [60, 120])
def test_the_list_is_that_of_the_authors(real_data, number):
    path = real_data("ntu") / f"missing_skeletons_ntu{number}.txt"
    published = set(path.read_text().split("\n\n", 1)[1].split())
    last = 17 if number == 60 else 32
    ours = {n for n in ntu_names.missing() if ntu_names.parse(n).setup <= last}
    assert ours == published


# The sizes that papers and the public code of pyskl and CTR-GCN report.
@pytest.mark.parametrize(
    ("protocol", "sizes"),
    [
        ("ntu60_csub", (40_091, 16_487)),
        ("ntu60_cview", (37_646, 18_932)),
        ("ntu120_csub", (63_026, 50_919)),
        ("ntu120_cset", (54_468, 59_477)),
    ],
)
def test_the_splits_are_of_the_published_sizes(names, protocol, sizes):
    train, test = ntu_names.split(names, protocol)
    assert (len(train), len(test)) == sizes == ntu_names.SIZES[protocol]
    assert not set(train) & set(test)
    assert not ntu_names.missing() & {*train, *test}


def test_a_split_keeps_the_order_and_passes_over_the_other_data_set():
    given = ["S018C001P008R001A061", "S002C001P003R001A007", "S001C003P001R001A001"]
    assert ntu_names.split(given, "ntu60_cview") == (given[2:], given[1:2])
    assert ntu_names.split(given, "ntu120_cset") == (given[:2], given[2:])
    assert ntu_names.split(given, "ntu60_csub") == (given[2:], given[1:2])


def test_the_camera_of_the_test_never_trains(names):
    train, test = ntu_names.split(names, "ntu60_cview")
    assert {ntu_names.place(name).camera for name in train} == {2, 3}
    assert {ntu_names.place(name).camera for name in test} == {1}


def test_views_of_a_performance_differ_in_the_camera_alone():
    assert ntu_names.place("S001C002P003R002A013") == Place("S001P003R002A013", 2)
    assert str(ntu_names.parse("S001C002P003R002A013")) == "S001C002P003R002A013"


def test_there_are_120_classes():
    assert len(set(ntu_names.CLASSES)) == 120
    # A1, A10, A60 and A120 of the authors' list.
    some = [ntu_names.CLASSES[i] for i in (0, 9, 59, 119)]
    assert some == ["drink_water", "clap", "walk_apart", "rock_paper_scissors"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("S001C001P001R001A1", "not the name of a recording"),
        ("S001C001P001R001A001_rgb", "not the name of a recording"),
        ("S033C001P001R001A001", "no such recording"),
        ("S001C004P001R001A001", "no such recording"),
        ("S001C001P009R001A001", "no such recording"),
        ("S001C001P001R003A001", "no such recording"),
        ("S001C001P001R001A061", "no such recording"),
        ("S018C001P008R001A060", "no such recording"),
    ],
)
def test_a_name_of_no_recording_is_refused(name, message):
    with pytest.raises(DataError, match=f"{name}: .*{message}"):
        ntu_names.parse(name)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(DataError, match="ntu has the protocols .*not 'csub'"):
        ntu_names.split([], "csub")

"""What the README says is so: its code runs, its commands and names exist."""

import pathlib
import re
import subprocess

import ml_collections
import pytest
from absl import flags

from experiments import run
from experiments.configs import common, pskd_small

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_code_runs(code):
    names = {}
    exec(code, names)  # noqa: S102 - our own README
    assert names["value"].shape == ()
    assert names["gradient"].shape == (8, 27)


def test_every_mode_is_told_of_and_no_other():
    told = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert set(run.MODES) <= set(told)


def test_every_data_set_is_told_of():
    for name in (*common.SIGNALS, *common.VIDEOS):
        family = name.split("_cross_")
        shown = f"`{name}`" in README or f"_cross_{family[-1]}`" in README
        assert shown, name


def test_every_file_it_names_exists():
    pages = re.findall(r"experiments/configs/(\w+\.py)", README)
    links = re.findall(r"\]\(([\w/.]+)\)", README)
    names = [f"experiments/configs/{page}" for page in pages if page != "PAGE.py"]
    for name in [*names, *links]:
        assert (ROOT / name).exists(), name
    for page in re.findall(r"^\| `(\w+\.py)` \|", README, re.MULTILINE):
        assert (ROOT / "experiments" / "configs" / page).exists(), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_flags_of_its_commands_exist(page):
    joined = page.read_text().replace("\\\n", " ")
    commands = re.findall(r"experiments\.run\b(.*)", joined)
    given = {flag for each in commands for flag in re.findall(r"--(\w+)", each)}
    assert given <= set(flags.FLAGS), page
    keys = {key for each in commands for key in re.findall(r"--config\.(\S+?)=", each)}
    known = set(common.base(ml_collections.ConfigDict())) | set(pskd_small.get_config())
    for key in keys:
        first, *rest = key.split(".")
        assert first in known, key
        if first == "roles" and rest[1:]:
            assert rest[1] in pskd_small.get_config().roles.student, key


@pytest.mark.parametrize("target", ["train", "processes", "test"])
def test_make_knows_the_targets(target):
    shown = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = {"train": "run", "processes": "launch", "test": "pytest"}[target]
    assert wanted in shown

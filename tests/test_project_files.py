"""What stands beside the code says what is true: versions, links, Pythons, the README."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import nst_lightning
from nst_lightning.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_the_version_is_the_same_everywhere() -> None:
    version = nst_lightning.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    versions = re.findall(r"^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == version
    assert f"today {version.rpartition('.')[0]}," in (ROOT / "SECURITY.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_is_in_the_site() -> None:
    named = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(
        str(page.relative_to(ROOT / "docs")) for page in PAGES if "docs" in page.parts
    )


def test_ci_runs_the_pythons_that_the_metadata_names() -> None:
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    matrix = ci["jobs"]["run"]["strategy"]["matrix"]
    prefix = "Programming Language :: Python :: "
    classifiers = [c.removeprefix(prefix) for c in PROJECT["project"]["classifiers"]]
    assert matrix["python"] == [c for c in classifiers if re.fullmatch(r"3\.\d+", c)]
    assert PROJECT["project"]["requires-python"] == f">={matrix['python'][0]}"
    assert {job["packages"] for job in matrix["include"]} == {"oldest", "newest", "pinned"}


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert text.index("uv run train.py fit --config configs/klimt.yaml") < text.index(
        "uv run --group test pytest "
    )
    assert "## Why you might not want it" in text


def test_what_a_rehearsal_needs_is_the_same_from_a_clone_and_installed() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert PROJECT["dependency-groups"]["rehearsal"] == extras["rehearsal"]


def test_the_app_reads_what_phones_photograph() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras["heif"]) <= set(extras["app"])


def test_every_command_is_in_the_documentation_s_list() -> None:
    first = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8").split("\n\n")[1]
    listed = first.partition("line each: ")[2].partition(". ")[0]
    assert re.findall(r"`(\w+)`", listed) == [*COMMANDS]

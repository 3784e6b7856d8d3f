"""The page and its Markdown twin as files: whole, self-contained, and safe from file names."""

import csv
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from nst_lightning.compare.page.words import TITLES, escape_markdown
from nst_lightning.compare.page.write import TEMPLATES, write_report
from nst_lightning.errors import InputError
from nst_lightning.pages.palette import SCHEMES

from .conftest import BAD_CONTENT, BAD_STYLE

pytestmark = pytest.mark.slow


class Elements(HTMLParser):
    """Collects every element with its attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page(bad_names: Path) -> Elements:
    return Elements((bad_names / "report" / "index.html").read_text(encoding="utf-8"))


def test_names_are_shown_and_not_obeyed(page: Elements) -> None:
    assert f"{BAD_CONTENT} × {BAD_STYLE}" in page.text  # noqa: RUF001
    assert not any(image.get("src") == "x" for image in page.all("img"))
    assert len(page.all("script")) == 1
    assert not page.all("b")


def test_everything_lies_beside_it(page: Elements, bad_names: Path) -> None:
    report = bad_names / "report"
    # The booth's pictures have no source until somebody votes.
    links = [image["src"] for image in page.all("img") if "src" in image]
    links += [source["srcset"] for source in page.all("source")]
    links += [link["href"] for link in page.all("a") if not str(link["href"]).startswith("#")]
    assert len(links) > 20
    for link in links:
        assert (report / unquote(str(link))).is_file(), link
    text = (report / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(", text)


def test_every_picture_has_an_alternative_text(page: Elements) -> None:
    assert all(image.get("alt") for image in page.all("img") if "src" in image)
    assert all(field.get("aria-label") for field in page.all("input"))


def test_anchors_exist(page: Elements) -> None:
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    for link in page.all("a"):
        if str(link["href"]).startswith("#"):
            assert str(link["href"])[1:] in ids
    assert [tag for tag, _ in page.found if tag in ("h1", "main", "nav", "header")]
    assert len(page.all("h1")) == 1


def test_ballots_are_there_and_the_booth_names_nothing(page: Elements, bad_names: Path) -> None:
    ballots = [item for item in page.all("li") if "data-pair" in item]
    assert len(ballots) == 2
    for ballot in ballots:
        for key in ("content", "style", ballot["data-first"], ballot["data-second"]):
            folder = unquote(str(ballot["data-folder"]))
            assert (bad_names / "report" / folder / f"{key}.jpg").is_file()
    text = (bad_names / "report" / "index.html").read_text(encoding="utf-8")
    booth = text[text.index("<dialog") : text.index("</dialog>")]
    assert not re.search(r"optimised|MeanColour|mean colour", booth)
    (place,) = (item["data-comparison"] for item in page.all("ul") if "data-comparison" in item)
    assert re.fullmatch("[0-9a-f]{64}", str(place))


NODE = shutil.which("node")


@pytest.mark.skipif(not NODE, reason="there is no node")
def test_intervals_and_rows_of_the_vote() -> None:
    from scipy.stats import binomtest

    script = (TEMPLATES / "vote.js").read_text(encoding="utf-8")
    counts = [(0, 1), (1, 1), (3, 6), (17, 23), (99, 100)]
    rows = [["a,b", 'c"d', "e"], ["1", "zwei\ndrei", "ü"]]
    asked = f"[{json.dumps(counts)}.map(([k, n]) => wilson(k, n)), csv({json.dumps(rows)})]"
    document = "const document = { getElementById: () => null };"
    code = f"{document}{script}\nconsole.log(JSON.stringify({asked}))"
    done = subprocess.run([str(NODE), "-e", code], capture_output=True, text=True, check=True)
    intervals, text = json.loads(done.stdout)
    for (k, n), found in zip(counts, intervals, strict=True):
        wanted = binomtest(k, n).proportion_ci(0.95, method="wilson")
        assert found == pytest.approx([wanted.low, wanted.high])
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows


def test_the_command_that_repeats_a_run_works(bad_names: Path, tmp_path: Path) -> None:
    import html
    import shlex

    from nst_lightning.cli import main

    text = (bad_names / "report" / "index.html").read_text(encoding="utf-8")
    commands = re.findall(r"<code>(python train.py fit .*?)</code>", text)
    assert len(commands) == 2
    words = shlex.split(html.unescape(commands[0]))
    config = Path(words[words.index("--config") + 1])
    assert main([*words[2:-1], str(tmp_path)]) == 0
    again = (tmp_path / "stylized.png").read_bytes()
    assert again == (config.parent / "stylized.png").read_bytes()


def test_figures_are_drawings_that_say_the_names(bad_names: Path) -> None:
    folder = bad_names / "report" / "figures"
    files = sorted(folder.iterdir())
    assert len(files) == 3 * 4
    for path in files:
        root = ET.parse(path).getroot()
        texts = "".join(root.itertext())
        surface = SCHEMES["dark" if "-dark-" in path.name else "light"].surface
        assert surface in path.read_text(encoding="utf-8")
        if path.name.startswith("improvement"):
            assert "$x^1$" in texts


def test_the_same_comparison_gives_the_same_page(bad_names: Path) -> None:
    report = bad_names / "report"
    before = {p: p.read_bytes() for p in report.rglob("*") if p.is_file()}
    write_report(bad_names)
    assert {p: p.read_bytes() for p in report.rglob("*") if p.is_file()} == before


def test_markdown(bad_names: Path) -> None:
    from markdown_it import MarkdownIt

    text = (bad_names / "report" / "report.md").read_text(encoding="utf-8")
    page = Elements(MarkdownIt("gfm-like", {"linkify": False}).render(text))
    assert not any(image.get("src") == "x" for image in page.all("img"))
    assert not page.all("script")
    assert BAD_STYLE in page.text
    for image in page.all("img"):
        assert (bad_names / "report" / unquote(str(image["src"]))).is_file()
    assert "untouched content (control)" in page.text
    # A table with a measure of content has those of style and colour beside it.
    tables = [line for line in text.splitlines() if line.startswith("|") and "SSIM" in line]
    assert len(tables) == 2
    for line in tables:
        assert all(title in line for title in TITLES.values())


@pytest.mark.parametrize("text", ["a|b", "*a* _b_", "[a](b)", "<b>", "`x`", "# a", "a\nb", "&lt;"])
def test_escaped_markdown_says_what_it_was(text: str) -> None:
    from markdown_it import MarkdownIt

    shown = Elements(MarkdownIt("gfm-like", {"linkify": False}).render(escape_markdown(text)))
    assert shown.text.strip() == " ".join(text.split())


def test_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run compare first"):
        write_report(tmp_path)

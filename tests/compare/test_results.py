"""What the measures say, on numbers worked out by hand."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from nst_lightning.compare.results import (
    DECISIVE,
    csv_rows,
    improvement,
    summary,
    wins,
    write_results,
)


def measures(
    ssim: float, distance: float, mse: float, alike: float = 0.1, patch: float = 0.5, hue: float = 1
) -> dict[str, float]:
    both = {"ssim/style": 0.1, "mse/style": 0.2, "psnr/content": math.inf}
    decisive = {
        "self_similarity/content": alike,
        "patch_distance/style": patch,
        "colour_distance/style": hue,
    }
    found = {"ssim/content": ssim, "style_distance": distance, "mse/content": mse}
    return found | both | decisive


def pair(name: str, fast: tuple[float, ...], ours: tuple[float, ...]) -> dict[str, Any]:
    found = {
        "content": measures(1.0, 0.8, 0.0),
        "Fast": measures(*fast),
        "optimised": measures(*ours),
    }
    return {
        "name": name,
        "content": {"label": "c"},
        "style": {"label": name},
        "folder": f"runs/{name}",
        "pictures": {"content": "content.png", "Fast": "Fast.png", "optimised": "stylized.png"},
        "seconds": {"Fast": 0.5},
        "measures": found,
        "improvement": {"Fast": improvement(found, "Fast")},
        "wins": {"Fast": wins(found, "Fast")},
    }


FAST = (0.25, 0.4, 0.05, 0.2, 0.6, 0.08)
WON = pair("won", FAST, (0.5, 0.1, 0.04, 0.1, 0.3, 0.06))
# As good is not better: by colour.
LOST = pair("lost", (0.5, 0.1, 0.0, 0.1, 0.4, 0.5), (0.4, 0.1, 0.01, 0.2, 0.3, 0.5))


def test_improvement() -> None:
    decisive = {"content": 50.0, "style": 50.0, "colour": 25.0}
    report = {"ssim": 100.0, "mse": 20.0, "style_distance": 75.0}
    style = {"ssim_style": 0.0, "mse_style": 0.0}
    assert WON["improvement"]["Fast"] == pytest.approx(decisive | report | style)
    # A baseline of 0 that is missed: by infinitely many percent.
    assert LOST["improvement"]["Fast"]["mse"] == -math.inf


def test_wins() -> None:
    assert WON["wins"]["Fast"] == dict.fromkeys(("content", "style", "colour", "all"), True)
    lost = {"content": False, "style": True, "colour": False, "all": False}
    assert LOST["wins"]["Fast"] == lost


@pytest.mark.parametrize("worse", [3, 4, 5])
def test_each_of_the_three_is_needed(worse: int) -> None:
    ours = [0.5, 0.1, 0.04, 0.1, 0.3, 0.06]
    ours[worse] = 2.0
    found = pair("one", FAST, tuple(ours))["wins"]["Fast"]
    assert sum(found.values()) == 2
    assert not found["all"]


def test_ssim_and_the_gram_distance_decide_nothing() -> None:
    found = pair("worse", FAST, (0.1, 0.9, 0.9, 0.1, 0.3, 0.06))["wins"]["Fast"]
    assert found["all"]


def test_summary() -> None:
    told = summary([WON, LOST])
    assert told["pairs"] == 2
    assert told["wins"]["Fast"] == {"content": 1, "style": 2, "colour": 1, "all": 1}
    assert told["exceptions"] == {"Fast": ["lost"]}
    assert told["improvement"]["Fast"]["ssim"] == pytest.approx({"mean": 40.0, "median": 40.0})
    assert told["improvement"]["Fast"]["mse"]["mean"] == pytest.approx(
        20.0
    )  # the infinite one is out
    assert told["mean"]["optimised"] == pytest.approx(
        {
            "self_similarity/content": 0.15,
            "patch_distance/style": 0.3,
            "colour_distance/style": 0.28,
            "ssim/content": 0.45,
            "style_distance": 0.1,
        }
    )
    assert told["mean"]["content"]["ssim/content"] == 1.0
    assert summary([]) == {"pairs": 0}


def test_every_baseline_has_its_own_results() -> None:
    both = pair("both", FAST, (0.5, 0.1, 0.04, 0.1, 0.3, 0.06))
    both["measures"]["Other"] = measures(0.6, 0.05, 0.02, 0.05, 0.2, 0.04)
    both["improvement"]["Other"] = improvement(both["measures"], "Other")
    both["wins"]["Other"] = wins(both["measures"], "Other")
    told = summary([both])
    assert told["wins"] == {
        "Fast": dict.fromkeys(("content", "style", "colour", "all"), 1),
        "Other": dict.fromkeys(("content", "style", "colour", "all"), 0),
    }
    assert told["exceptions"] == {"Fast": [], "Other": ["both"]}
    assert told["improvement"]["Fast"]["mse"]["mean"] == pytest.approx(20.0)
    assert told["improvement"]["Other"]["mse"]["mean"] == pytest.approx(-100.0)
    assert told["mean"]["Other"]["ssim/content"] == 0.6


def test_files(tmp_path: Path) -> None:
    write_results(tmp_path, {"pairs": [WON, LOST], "failures": [], "title": "Dürer"})
    text = (tmp_path / "metrics.json").read_text(encoding="utf-8")
    assert "Dürer" in text
    assert "Infinity" not in text
    found = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert found["pairs"][0]["measures"]["content"]["psnr/content"] is None
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["picture"] for row in rows] == 2 * ["untouched content", "Fast", "optimised"]
    assert rows[1]["file"] == "runs/won/Fast.png"
    assert float(rows[2]["ssim/content"]) == 0.5
    assert not list(tmp_path.glob("*.part*"))


def test_every_row_has_all_that_decides_beside_ssim() -> None:
    for row in csv_rows([WON, LOST]):
        assert {"ssim/content", "style_distance", *DECISIVE.values()} <= set(row)

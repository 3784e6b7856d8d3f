"""What a job prints is what the metric definitions read."""

import math
import re

from nst_lightning.cloud.metric_lines import metric_definitions, metric_line


def read(line: str, names: list[str]) -> dict[str, float]:
    found = {}
    for definition in metric_definitions(names):
        if match := re.search(definition["Regex"], line):
            found[definition["Name"]] = float(match.group(1))
    return found


def test_every_number_is_read_back_under_its_own_name() -> None:
    values = {"loss": 1234.5, "style_loss": 1.5e-7, "content_loss": -3.0, "ssim": 0.0}
    line = metric_line(values, step=12)
    assert line.startswith("nst step=12 ")
    assert read(line, list(values)) == values


def test_loss_is_not_mistaken_for_another_terms_loss() -> None:
    assert read(metric_line({"style_loss": 5.0}), ["loss", "style_loss"]) == {"style_loss": 5.0}


def test_what_is_not_finite_is_left_out() -> None:
    assert read(metric_line({"loss": math.nan, "tv_loss": 2.0}), ["loss", "tv_loss"]) == {
        "tv_loss": 2.0
    }


def test_a_line_of_something_else_is_not_read() -> None:
    assert read("loss=3;", ["loss"]) == {}

"""Files that settings name (masks, a first picture) travel with the job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import make_plan
from nst_lightning.errors import InputError


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., Launch]:
    def make(**settings: Any) -> Launch:
        style = {"class_path": "nst_lightning.losses.GuidedGramLoss"}
        return Launch(
            name="masks",
            contents=["sample:cat"],
            styles=["sample:klimt"],
            settings={"data.size": 64, "model.style": style, **settings},
        )

    return make


def mask(path: Path, size: tuple[int, int], left: int, right: int) -> str:
    picture = Image.new("L", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    picture.save(path)
    return str(path)


def test_masks_are_uploaded(tmp_path: Path, launch: Callable[..., Launch]) -> None:
    size = Image.open(Path("docs/images/gallery/mask.png")).size
    left, right = (
        mask(tmp_path / f"{name}.png", size, *levels)
        for name, levels in (("left", (255, 0)), ("right", (0, 255)))
    )
    whole = mask(tmp_path / "whole.png", (64, 64), 255, 255)
    masks = {"data.content_mask": [left, right], "data.style_mask": [whole, whole]}
    plan = make_plan(launch(**masks))
    job = plan.job
    assert job.settings["data.content_mask"] == ["00-left.png", "01-right.png"]
    assert job.files == masks
    sent = plan.uploads[job.channels["content_mask"]].files
    assert [(name, data) for name, data in sent] == [
        ("00-left.png", Path(left).read_bytes()),
        ("01-right.png", Path(right).read_bytes()),
    ]
    assert str(tmp_path) not in str(job.settings)


def test_a_mask_of_the_wrong_shape_is_found_before_a_job_is_started(
    tmp_path: Path, launch: Callable[..., Launch]
) -> None:
    tall = mask(tmp_path / "tall.png", (20, 90), 0, 255)
    with pytest.raises(InputError, match="must have its picture's shape"):
        make_plan(launch(**{"data.content_mask": tall}))

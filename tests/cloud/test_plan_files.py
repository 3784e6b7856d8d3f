"""Files that settings name (masks, a first picture) travel with the job."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from helpers.launches import launch as account_launch
from helpers.scripted_jobs import picture
from helpers.troubled_aws import TroubledAws
from PIL import Image

from nst_lightning.cloud import staging
from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import WORDS, Plan, make_plan
from nst_lightning.data.starts import STARTS
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


@pytest.fixture
def elsewhere(aws: TroubledAws) -> Iterator[Any]:
    """A bucket of somebody's, in which one key begins with another."""
    s3 = boto3.client("s3")
    s3.create_bucket(
        Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    for name, data in (("cat.png", picture(1)), ("cat.png.bak", picture(2)), ("notes.txt", b"x")):
        s3.put_object(Bucket="elsewhere", Key=f"pictures/{name}", Body=data)
    yield s3
    for name in ("cat.png", "cat.png.bak", "notes.txt"):
        s3.delete_object(Bucket="elsewhere", Key=f"pictures/{name}")
    s3.delete_bucket(Bucket="elsewhere")


def planned(**changes: Any) -> Plan:
    wanted = replace(account_launch({}), settings={"data.size": 48}, styles=["sample:klimt"])
    wanted = replace(wanted, **changes)
    return make_plan(wanted, Aws(wanted))


def test_an_s3_key_is_one_file_and_an_input_of_our_own(elsewhere: Any) -> None:
    plan = planned(contents=["s3://elsewhere/pictures/cat.png"])
    (painting,) = plan.paintings.values()
    upload = plan.uploads[painting.channels["content"]]
    assert upload.files == (("cat.png", picture(1)),)
    assert painting.content == "s3://elsewhere/pictures/cat.png"
    # Another picture at the same address is another painting.
    elsewhere.put_object(Bucket="elsewhere", Key="pictures/cat.png", Body=picture(3))
    (other,) = planned(contents=["s3://elsewhere/pictures/cat.png"]).paintings.values()
    assert other.fingerprint != painting.fingerprint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none.png", "content: no such file: s3://elsewhere/pictures/none.png"),
        ("cat", "content: no such file: s3://elsewhere/pictures/cat"),
        ("notes.txt", "content: s3://elsewhere/pictures/notes.txt is not a picture"),
    ],
)
def test_what_is_wrong_in_s3_is_found_before_a_job_is_started(
    elsewhere: Any, name: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        planned(contents=[f"s3://elsewhere/pictures/{name}"])


def test_a_first_picture_in_s3_travels_too(elsewhere: Any) -> None:
    plan = planned(
        contents=["sample:cat"],
        settings={"data.size": 48, "data.init": "s3://elsewhere/pictures/cat.png"},
    )
    assert plan.uploads[plan.job.channels["init"]].files == (("cat.png", picture(1)),)
    assert "data.init" not in plan.job.settings


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("small", "is 15 x 40 pixels; every side must have at least 16: use another picture"),
        ("torn", "is truncated or damaged"),
        ("clear", "is wholly transparent"),
        ("text", "is not a picture"),
    ],
)
def test_a_picture_that_no_job_could_paint(tmp_path: Path, kind: str, expected: str) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA" if kind == "clear" else "RGB", (15 if kind == "small" else 40, 40)).save(path)
    if kind == "torn":
        path.write_bytes(picture(1, 80)[:-2000])
    if kind == "text":
        path.write_text("no picture")
    with pytest.raises(InputError, match=f"content: .*a.png {expected}"):
        make_plan(Launch("test", [str(path)], ["sample:klimt"], settings={"data.size": 48}))


def test_words_that_name_no_file_are_those_of_a_run() -> None:
    assert {*STARTS} <= {*WORDS}


def test_the_versions_that_a_job_installs_decide_the_picture(
    tmp_path: Path, launch: Callable[..., Launch], monkeypatch: Any
) -> None:
    (before,) = make_plan(launch()).paintings.values()
    other = tmp_path / "requirements.txt"
    other.write_text(staging.PINNED.read_text().replace("pillow==", "pillow==1"))
    monkeypatch.setattr(staging, "PINNED", other)
    (after,) = make_plan(launch()).paintings.values()
    assert after.fingerprint != before.fingerprint

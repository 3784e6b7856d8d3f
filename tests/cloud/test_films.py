"""A clip on SageMaker: cut where scenes begin, painted by jobs, put together here."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.clips import heard, make
from helpers.moving import moving
from helpers.scripted_jobs import complete, tasks_of
from helpers.troubled_aws import TroubledAws
from PIL import Image

from nst_lightning.cli import main as program
from nst_lightning.cloud import job
from nst_lightning.cloud.command_line import parse
from nst_lightning.cloud.commands import main, rehearse
from nst_lightning.cloud.plan import make_plan
from nst_lightning.video.parts import shared_out
from nst_lightning.video.reading import open_clip

pytestmark = pytest.mark.slow
SETTINGS = {"data.octave_steps": 2, "data.steps_per_epoch": 3, "data.size": 64}
STYLE = "sample:waves"
HOW = ["--alone=0", "--steadiness=3e5"]
Pictures = tuple[Path, Path]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of three frames each, with sound."""
    scenes = (moving(3, size=(80, 56), photograph=f"sample:{name}") for name in ("starry", "cat"))
    frames = [frame for pictures, _ in scenes for frame in pictures]
    return make(tmp_path_factory.mktemp("clip") / "my clip.mp4", frames, rate=8, sound="aac")


@pytest.fixture(scope="module")
def local(
    clip: Path, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder of ``nst video``, with the number of threads that jobs have here."""
    before, folder = torch.get_num_threads(), tmp_path_factory.mktemp("local")
    torch.set_num_threads(2)
    words = [f"--settings.{key}={value}" for key, value in SETTINGS.items() if "size" not in key]
    words += [f"--styles={pictures[1]}", "--size=64", *HOW, f"--folder={folder}"]
    assert program(["video", str(clip), *words]) == 0
    yield folder
    torch.set_num_threads(before)


def frames(*folders: Path) -> list[bytes]:
    return [path.read_bytes() for one in folders for path in sorted(one.glob("frames/*.png"))]


# -- in the container -----------------------------------------------------------------------------


def environ(base: Path, clip: Path, style: Path) -> dict[str, str]:
    """Return the environment of a job that paints both scenes, one after the other."""
    told: dict[str, Any] = {**SETTINGS, "data.style": [str(style)]}
    for number, part in enumerate(([0, 3], [3, 6]), 1):
        one = {"key": f"part-{number}", "id": f"id-{number}", "attempt": 1, "settings": {}}
        film = {"passes": 1, "steadiness": 3e5, "alone": 0, "every": 1, "part": part}
        told[f"painting_{number:02d}"] = {**one, "channels": {"content": "clip"}, "film": film}
    channel = base / "input"
    channel.mkdir(parents=True, exist_ok=True)
    shutil.copy(clip, channel)
    return {
        "SM_HPS": json.dumps(told),
        "SM_CHANNELS": '["clip"]',
        "SM_CHANNEL_CLIP": str(channel),
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_MODEL_DIR": str(base / "model"),
    }


def test_a_job_goes_on_with_the_first_frame_that_is_missing(
    clip: Path, local: Path, pictures: Pictures, tmp_path: Path, monkeypatch: Any
) -> None:
    painted: list[tuple[int, int]] = []
    line = job.metric_line

    def taken(values: Any, **labels: Any) -> str:
        if "step" in labels:
            painted.append((labels["picture"], labels["step"]))
        if painted == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)] and "step" in labels:
            raise SystemExit("taken away")
        return line(values, **labels)

    monkeypatch.setattr(job, "metric_line", taken)
    first, second = tmp_path / "first", tmp_path / "second"
    with pytest.raises(SystemExit):
        job.main(environ(first, clip, pictures[1]))
    # The copy in S3 lacks the last frame's picture, which was about to be copied.
    shutil.copytree(first / "checkpoints", second / "checkpoints")
    (second / "checkpoints/id-2/frames/000002.png").unlink()
    left = second / "checkpoints/id-2/passes/1/000001.safetensors"
    before = left.stat().st_mtime_ns
    seen: list[int] = []
    pack = job._pack
    monkeypatch.setattr(
        job, "_pack", lambda *args: (seen.append(left.stat().st_mtime_ns), pack(*args))
    )
    assert job.main(environ(second, clip, pictures[1])) == 0
    assert painted[5:] == [(2, 2), (2, 3)]
    assert seen == [before]
    parts = [second / "model" / f"part-{number}" for number in (1, 2)]
    assert frames(*parts) == frames(local)
    assert not list((second / "model").rglob("*.safetensors"))
    measures = json.loads((parts[1] / "metrics.json").read_text())
    assert measures["frames"] == 3
    assert 0 < measures["warping_error"] < 0.1


def test_one_job_by_the_toolkit_whose_instance_is_taken_away_paints_what_is_painted_here(
    clip: Path, local: Path, pictures: Pictures, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    words = [
        "--clip",
        str(clip),
        "--styles",
        str(pictures[1]),
        "--to=0.5",
        "--name=film",
        "--size=64",
        *HOW,
    ]
    words += [f"--settings.{k}={v}" for k, v in SETTINGS.items() if "size" not in k]
    wanted = parse([*words, "--out", str(tmp_path)]).launch
    wanted.job.max_run = 1200

    def take_away(name: str, instance: int, line: str) -> bool:
        return instance == 1 and "step=3 " in line

    assert rehearse(wanted, take_away=take_away) == 0
    assert "4 frames in one part in 1 training jobs" in capsys.readouterr().out
    (part,) = (tmp_path / "runs").iterdir()
    assert frames(part) == frames(local)[:4]
    logs = [path.read_text() for path in sorted((tmp_path / "logs").iterdir())]
    steps = [re.findall(r"^nst step=(\d+) steps=4", log, re.MULTILINE) for log in logs]
    assert steps[0][:3] == ["1", "2", "3"]
    assert [*steps[0], *steps[1]] == list("1234")  # none twice
    tables = [(one / "metrics.csv").read_text().splitlines()[:5] for one in (tmp_path, local)]
    assert tables[0] == tables[1]
    assert (tmp_path / "index.html").is_file()
    with open_clip(tmp_path / "painted.mp4") as film, open_clip(clip) as source:
        assert film.info.times == source.info.times[:4]
    assert heard(tmp_path / "painted.mp4")[0] == "aac"


# -- here -----------------------------------------------------------------------------------------


def test_a_missing_part_is_named_and_a_relaunch_paints_it_alone(
    clip: Path, aws: TroubledAws, config: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    out = str(tmp_path / "out")
    file = config(contents=[], clip=str(clip), scenes=3, alone=0, painted=str(tmp_path / "x.webm"))

    def end(name: str) -> None:
        (task,) = tasks_of(aws.service, name)
        first, stop = task["film"]["part"]
        if first == 3 and name.endswith("-1"):
            aws.service.move(name, "Failed", "Failed", FailureReason="CapacityError: none")
            return
        files = {f"frames/{n + 1:06}.png": plain(first + n) for n in range(stop - first)}
        rows = [
            "frame,seconds,scene,reliable,painting,content,still,style_distance,alone,"
            "style_distance_alone",
            "1,0.0,1,,,,,0.2,,",
        ]
        rows += [f"{n},0,1,0.9,1e-4,2e-4,1,0.2,{'2e-4,0.3' * (n == 3)}" for n in (2, 3)]
        measures = json.dumps({"frames": 3, "seconds": 5}).encode()
        files |= {"metrics.csv": "\n".join(rows).encode(), "metrics.json": measures}
        complete(aws.service, name, files)

    aws.service.on_create.append(end)
    assert main(["--config", str(file)]) == 1
    shown = capsys.readouterr()
    assert "note: my clip.mp4 has 2 scenes: so many parts, not 3" in shown.err
    assert "6 frames in 2 parts (3, 3) in 2 training jobs" in shown.out
    assert "missing: my-clip--klimt-02of02, frames 4 to 6 (Failed)" in shown.out
    assert "2 parts: 1 Failed, 1 Completed; 1 parts here" in shown.out
    assert not (tmp_path / "x.webm").exists()
    started = len(aws.service.jobs)
    assert main(["relaunch", "test", "--out", out]) == 0
    assert len(aws.service.jobs) == started + 1
    with open_clip(tmp_path / "x.webm") as film, open_clip(clip) as source:
        assert film.info.times == source.info.times
        for number, frame in enumerate(film):  # in their order
            assert abs(frame.picture.getpixel((40, 28))[0] - 40 * number) < 4  # type: ignore[index]
    assert heard(tmp_path / "x.webm")[0] == "opus"
    with (tmp_path / "out" / "metrics.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["frame"] for row in rows] == list("123456")
    assert [row["scene"] for row in rows] == list("111222")
    assert [float(row["seconds"]) for row in rows] == [n / 8 for n in range(6)]
    # Again, it paints nothing and writes its own file anew; as another clip it is refused.
    capsys.readouterr()
    assert main(["--config", str(file)]) == 0
    assert len(aws.service.jobs) == started + 1
    assert main(["--config", str(file), "--scenes", "null"]) == 2
    assert "name: test is of other parts" in capsys.readouterr().err


def plain(index: int) -> bytes:
    """Return a painted frame as bright as its place in the film."""
    buffer = io.BytesIO()
    Image.new("RGB", (80, 56), (40 * index,) * 3).save(buffer, "png")
    return buffer.getvalue()


def test_of_a_folder_of_frames_each_job_is_given_its_own(
    clip: Path, config: Callable[..., Path], tmp_path: Path, pictures: Pictures
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    with open_clip(clip) as source:
        for frame in source:
            frame.picture.save(folder / f"f{frame.index + 5}.png")  # f9 before f10
    styles = ["sample:klimt", str(pictures[1])]
    file = config(contents=[], clip=str(folder), scenes="auto", every=2, styles=styles)
    plan = make_plan(parse(["--config", str(file)]).launch)
    # Both styles, as nst video has them; those that are no samples travel.
    assert plan.job.settings["data.style"] == ["sample:klimt", "01-style.png"]
    assert plan.job.channels.keys() == {"style"}
    sent = [plan.uploads[one.channels["content"]].files for one in plan.paintings.values()]
    assert [[name for name, _ in files] for files in sent] == [
        ["000000.png", "000001.png", "times.csv"],
        ["000000.png", "times.csv"],
    ]
    assert [data for files in sent for name, data in files if name.endswith("png")] == [
        (folder / f"f{number}.png").read_bytes() for number in (5, 7, 9)
    ]
    for number, files in enumerate(sent):
        part = tmp_path / f"part-{number}"
        part.mkdir()
        for name, data in files:
            (part / name).write_bytes(data)
        with open_clip(part) as there, open_clip(folder, every=2) as whole:
            expected = whole.part(0, 2) if number == 0 else whole.part(2, 3)
            assert there.info.times == expected.info.times
            assert there.info.duration == expected.info.duration


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--clip=none.mp4"], "no such file or folder: none.mp4"),
        (["--clip={clip}", "--from=9"], "my clip.mp4 ends at 0:00.75: start before that"),
        (["--clip={clip}", "--painted=x.mp5"], "unknown suffix '.mp5'; did you mean .mp4?"),
        (["--clip={clip}", "--painted={clip}"], "my clip.mp4 exists already; give another name"),
        (["--clip={clip}", "--to=soon"], "--to: 'soon' is no time; write seconds"),
        (["--clip={style}"], "is one picture, not a clip"),
        (["--clip={clip}", "--contents=a.jpg"], "a clip or --contents, not both"),
        (["--clip={clip}", "--scenes=0"], "--scenes: 0 is not 1 or more, nor auto"),
        (["--clip={clip}", "--settings.data.init=style"], "data.init: the command sets it"),
        (["--clip={clip}", "--settings.model.strengh=1"], "did you mean model.strength?"),
        (["--clip=s3://bucket/clip.mp4"], "is not on this machine; copy it here first"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_asked_of_aws(
    words: list[str], expected: str, clip: Path, pictures: Pictures, tmp_path: Path, capsys: Any
) -> None:
    words = [word.format(clip=clip, style=pictures[1]) for word in words]
    where = ["--aws.region=us-west-2", "--aws.role=R", "--aws.bucket=a-bucket", "--dry_run"]
    assert main([*words, f"--styles={STYLE}", "--name=film", *where]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert expected in line


@pytest.mark.parametrize(
    ("begins", "number", "expected"),
    [
        ([0, 6], 3, [(0, 6)]),
        ([0, 10, 20, 30, 40, 50, 60], 3, [(0, 20), (20, 40), (40, 60)]),
        ([0, 1, 2, 3, 50], 2, [(0, 3), (3, 50)]),
        ([0, 40, 41, 42, 43], 3, [(0, 40), (40, 41), (41, 43)]),
    ],
)
def test_scenes_are_shared_out_whole_and_evenly(
    begins: list[int], number: int, expected: list[tuple[int, int]]
) -> None:
    assert shared_out(begins, number) == expected

"""Inside the container: pictures one after another, what is kept of them, and why one failed."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from helpers.painting import small_run

from nst_lightning.cloud import job
from nst_lightning.cloud.container import Task
from nst_lightning.cloud.fleet import readable_reason
from nst_lightning.cloud.job import explain, find_checkpoint, main
from nst_lightning.run_folder import CHECKPOINT

Pictures = tuple[Path, Path]


def environ(base: Path, *pairs: Pictures, attempt: int = 1, **changes: Any) -> dict[str, str]:
    """Return the environment of a job that paints these pairs, called a, b, and so on."""
    shared = small_run(base, pairs[0], steps=3) | {"images.every_n_steps": 0} | changes
    for key in ("data.content", "data.style", "trainer.default_root_dir"):
        shared.pop(key)
    for number, (key, (content, style)) in enumerate(zip("abc", pairs, strict=False), start=1):
        own = {"data.content": str(content), "data.style": str(style)}
        told = {"key": key, "id": f"id-{key}", "attempt": attempt}
        shared[f"painting_{number:02d}"] = {**told, "settings": own, "channels": {}}
    return {
        "SM_HPS": json.dumps(shared),
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_MODEL_DIR": str(base / "model"),
    }


def kept(base: Path, key: str) -> dict[str, bytes]:
    """Return the files that a job kept of a picture."""
    data = (base / "checkpoints" / "finished" / f"id-{key}.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]


def test_a_job_that_no_launcher_planned_paints_what_its_settings_say(
    tmp_path: Path, pictures: Pictures
) -> None:
    settings = small_run(tmp_path, pictures, steps=3) | {"images.every_n_steps": 0}
    settings.pop("trainer.default_root_dir")
    content = tmp_path / "content.png"
    told = {"SAGEMAKER_BASE_DIR": str(tmp_path), "SM_MODEL_DIR": str(tmp_path / "model")}
    made = []
    for source in pictures:  # as where the instance is warm, and a file is another now
        content.write_bytes(source.read_bytes())
        given = settings | {"data.content": str(content)}
        assert main({**told, "SM_HPS": json.dumps(given, default=str)}) == 0
        made.append((tmp_path / "model" / "stylized.png").read_bytes())
    assert made[0] != made[1]


def test_a_job_goes_on_with_the_first_picture_that_is_not_finished(
    tmp_path: Path, pictures: Pictures, capsys: Any, monkeypatch: Any
) -> None:
    pairs = pictures, pictures[::-1], (pictures[0], pictures[0])
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert main(environ(whole, *pairs)) == 0
    files = kept(whole, "b")
    assert {"stylized.png", "config.yaml", "metrics.csv", "metrics.json"} <= set(files)
    assert not any(name.endswith(".ckpt") or ".part" in name for name in files)
    assert json.loads(files["metrics.json"])["steps"] == 3
    for key in "abc":
        assert (whole / "model" / key / "stylized.png").read_bytes() == kept(whole, key)[
            "stylized.png"
        ]
    assert [path.name for path in (whole / "checkpoints").iterdir()] == ["finished"]

    # The instance is taken away in the second picture's second step, and all it had is copied.
    painted: list[tuple[int, int]] = []
    line = job.metric_line

    def taken(values: Any, **labels: Any) -> str:
        if "step" in labels:
            painted.append((labels["picture"], labels["step"]))
        if painted[-1:] == [(2, 2)] and "step" in labels and len(painted) < 6:
            raise SystemExit("taken away")
        return line(values, **labels)

    monkeypatch.setattr(job, "metric_line", taken)
    with pytest.raises(SystemExit):
        main(environ(again, *pairs, **{"checkpoint.every_n_steps": 1}))
    assert main(environ(again, *pairs, **{"checkpoint.every_n_steps": 1})) == 0
    assert painted[:5] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    assert painted[5:] == [(2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]
    assert "a is finished already" in capsys.readouterr().out
    for key in "abc":
        assert kept(again, key)["stylized.png"] == kept(whole, key)["stylized.png"]


def test_a_picture_that_fails_keeps_no_other_from_being_painted(
    tmp_path: Path, pictures: Pictures, capsys: Any
) -> None:
    missing = tmp_path / "none.png", pictures[1]
    assert main(environ(tmp_path, pictures, missing, pictures)) == 1
    shown = capsys.readouterr().err
    (line,) = shown.strip().splitlines()
    assert line.startswith("ValueError: b: ")
    assert "none.png" in line
    finished = tmp_path / "checkpoints" / "finished"
    names = {"id-a.tar.gz", "id-b-1.txt", "id-c.tar.gz"}
    assert {path.name for path in finished.iterdir()} == names
    assert "none.png" in (finished / "id-b-1.txt").read_text()
    # Another attempt begins with what was given up, and paints nothing twice.
    missing[0].write_bytes(pictures[0].read_bytes())
    assert main(environ(tmp_path, pictures, missing, pictures, attempt=2)) == 0
    assert "painting with" in (out := capsys.readouterr().out)
    assert out.count("painting with") == 1
    assert "id-b.tar.gz" in {path.name for path in finished.iterdir()}


def test_one_encoder_serves_all_pictures(
    tmp_path: Path, pictures: Pictures, monkeypatch: Any
) -> None:
    from nst_lightning.encoder import VGG19Encoder

    built: list[VGG19Encoder] = []
    begin = VGG19Encoder.__init__

    def count(self: VGG19Encoder, *args: Any, **settings: Any) -> None:
        built.append(self)
        begin(self, *args, **settings)

    monkeypatch.setattr(VGG19Encoder, "__init__", count)
    assert main(environ(tmp_path, pictures, pictures[::-1])) == 0
    assert len(built) == 2  # one to paint, one to measure


def test_a_finished_checkpoint_without_its_picture_still_gives_the_picture(
    tmp_path: Path, pictures: Pictures, monkeypatch: Any
) -> None:
    keep = job.keep

    def lost(session: Any, task: Task, seconds: float) -> None:
        (task.folder / "stylized.png").unlink()
        (task.folder / "images").mkdir(exist_ok=True)
        (task.folder / "images" / ".step.0123.part.png").write_bytes(b"torn")
        raise SystemExit("taken away")

    monkeypatch.setattr(job, "keep", lost)
    with pytest.raises(SystemExit):
        main(environ(tmp_path, pictures))
    monkeypatch.setattr(job, "keep", keep)
    assert main(environ(tmp_path, pictures)) == 0
    assert main(environ(tmp_path / "whole", pictures)) == 0
    assert kept(tmp_path, "a")["stylized.png"] == kept(tmp_path / "whole", "a")["stylized.png"]
    assert not any(".part" in name for name in kept(tmp_path, "a"))
    # A job of one picture has it at the root of its results.
    assert (tmp_path / "model" / "stylized.png").is_file()


def test_a_damaged_checkpoint_starts_the_picture_anew(tmp_path: Path, capsys: Any) -> None:
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"half a check")
    assert find_checkpoint(tmp_path) is None
    assert not checkpoint.exists()
    assert "damaged" in capsys.readouterr().out


def test_a_mistake_is_one_line_that_the_toolkit_takes_over(
    tmp_path: Path, pictures: Pictures, capsys: Any
) -> None:
    assert main(environ(tmp_path, pictures, **{"data.size": 0})) == 1
    shown = capsys.readouterr().err
    assert shown.strip().splitlines() == [shown.strip()]
    assert shown.startswith("ValueError: data.size must be a whole number of at least 1, not 0")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA out of memory. Tried"), "use a smaller data.size"),
        (OSError(28, "No space left on device"), "raise job.volume_size"),
        (ModuleNotFoundError("No module named 'x'"), "job.requirements"),
        (KeyError("k"), "the job's log has the whole traceback"),
    ],
)
def test_what_to_do_about_other_errors(error: Exception, expected: str) -> None:
    assert expected in explain(error)
    assert "\n" not in explain(error)


def test_the_readable_part_of_a_failure_reason() -> None:
    whole = (
        'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: data.size: '
        '0 is no size\n"\nCommand "python -- entry.py --a 1", exit code: 1'
    )
    assert readable_reason(whole) == "data.size: 0 is no size"
    cut = (
        'AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "RuntimeError: out of mem'
    )
    assert readable_reason(cut) == "out of mem"
    assert readable_reason("ClientError: Data download failed") == (
        "ClientError: Data download failed"
    )
    assert readable_reason("") == ""

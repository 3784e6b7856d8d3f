"""Inside the container: the reason of a failure, and a checkpoint that outlived its picture."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.painting import arguments

from nst_lightning.cloud.container import Container
from nst_lightning.cloud.fleet import readable_reason
from nst_lightning.cloud.job import explain, find_checkpoint, main


def environ(base: Path, pictures: tuple[Path, Path], **changes: Any) -> dict[str, str]:
    words = arguments(base, pictures, steps=3)[1:]
    settings = dict(word.removeprefix("--").split("=", 1) for word in words)
    settings.pop("trainer.default_root_dir")
    return {
        "SM_HPS": json.dumps(settings | changes),
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_MODEL_DIR": str(base / "model"),
    }


def test_a_finished_checkpoint_without_its_picture_still_gives_the_picture(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: Any
) -> None:
    env = environ(tmp_path, pictures)
    assert main(env) == 0
    wanted = (tmp_path / "model" / "stylized.png").read_bytes()
    run = tmp_path / "checkpoints" / "run"
    (run / "stylized.png").unlink()
    (tmp_path / "model" / "stylized.png").unlink()
    (run / "images" / ".step.0123.part.png").parent.mkdir(exist_ok=True)
    (run / "images" / ".step.0123.part.png").write_bytes(b"torn")
    assert main(env) == 0
    assert (tmp_path / "model" / "stylized.png").read_bytes() == wanted
    assert not list((tmp_path / "model").rglob("*.part*"))
    assert not list((tmp_path / "model").rglob("*.ckpt"))
    assert "finished already" in capsys.readouterr().out


def test_a_damaged_checkpoint_starts_the_job_anew(tmp_path: Path, capsys: Any) -> None:
    job = Container(tmp_path, {}, {}, tmp_path / "model")
    job.checkpoint.parent.mkdir(parents=True)
    job.checkpoint.write_bytes(b"half a check")
    (tmp_path / "checkpoints" / "run.digest").write_text("same")
    assert find_checkpoint(job, "same") is None
    assert not job.checkpoint.exists()
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["a file", "a setting", "nothing"])
def test_a_checkpoint_of_another_picture_is_not_gone_on_from(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: Any, change: str
) -> None:
    content = tmp_path / "content.png"
    content.write_bytes(pictures[0].read_bytes())
    env = environ(tmp_path, (content, pictures[1]))
    assert main(env) == 0
    if change == "a file":
        content.write_bytes(pictures[1].read_bytes())
    if change == "a setting":
        env = environ(tmp_path, (content, pictures[1]), seed_everything=5)
    capsys.readouterr()
    assert main(env) == 0
    anew = "of another picture; starting from the beginning" in capsys.readouterr().out
    assert anew == (change != "nothing")
    assert main(environ(tmp_path / "new", (content, pictures[1]), **json.loads(env["SM_HPS"]))) == 0
    names = ("model/stylized.png", "model/metrics.csv")
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / "new" / name).read_bytes()


def test_a_mistake_is_one_line_that_the_toolkit_takes_over(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: Any
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

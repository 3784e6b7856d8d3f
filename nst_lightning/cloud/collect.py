"""Results of finished jobs, unpacked into the folder layout of a local run."""

import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import yaml

from nst_lightning.cloud.manifest import JobState, Manifest
from nst_lightning.errors import InputError
from nst_lightning.files import write_error
from nst_lightning.options import lookup
from nst_lightning.run_folder import CONFIG, RunFolder

MARK = "job.json"
"""File of a collected folder that says which job it came from."""


def run_folder(manifest: Manifest, key: str) -> Path:
    """Return the folder of one painting: ``OUT/runs/<content>--<style>``."""
    return manifest.launch.folder / "runs" / key


def is_collected(manifest: Manifest, key: str) -> bool:
    """Whether the picture of the job that counts is in its folder on this machine."""
    folder = run_folder(manifest, key)
    try:
        mark = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    return mark.get("job") == manifest.name_of(key) and RunFolder(folder).picture is not None


def collect(manifest: Manifest, key: str, archive: bytes) -> Path:
    """Unpack what a job left, beside its final place, and put it there in one step.

    Args:
        manifest: Of the launch.
        key: Of the job.
        archive: Its ``model.tar.gz``.

    Returns:
        The folder.

    Raises:
        InputError: If there is no whole picture in the archive, or it cannot be written.
    """
    folder = run_folder(manifest, key)
    job = manifest.jobs[key]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{key[:40]}-") as holding:
            fresh = Path(holding, "run")
            fresh.mkdir(mode=0o755)
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
                tar.extractall(fresh, filter="data")
            picture = RunFolder(fresh).picture
            if picture is None:
                raise InputError(f"{key}: there is no picture in the job's results")
            _check(picture, key)
            _localise(RunFolder(fresh), job, folder)
            mark = {
                "job": manifest.name_of(key),
                "content": job.plan.content,
                "style": job.plan.style,
                "artifacts": job.artifacts,
                "seconds": job.seconds,
                "billable_seconds": job.billable,
            }
            (fresh / MARK).write_text(json.dumps(mark, indent=1, ensure_ascii=False) + "\n")
            if folder.exists():
                folder.rename(Path(holding, "old"))
            fresh.rename(folder)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{key}: the job's results are damaged: {error}") from error
    except OSError as error:
        raise write_error(folder, error) from error
    return folder


def _check(picture: Path, key: str) -> None:
    from PIL import Image

    try:
        with Image.open(picture) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{key}: the job's picture cannot be read: {error}") from error


def _localise(fresh: RunFolder, job: JobState, folder: Path) -> None:
    """Write this machine's paths into a job's configuration, so that it repeats the run here."""
    config = fresh.config
    if not config:
        return
    local = {
        "data.content": job.plan.content,
        "data.style": job.plan.style,
        "trainer.default_root_dir": str(folder),
        **job.plan.files,
    }
    for name, value in local.items():
        section, _, key = name.rpartition(".")
        place = lookup(config, section)
        if isinstance(place, dict):
            place.get("init_args", place)[key] = value
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (fresh.path / CONFIG).write_text(text, encoding="utf-8")


def clear_leftovers(manifest: Manifest) -> None:
    """Remove what a killed launcher was unpacking."""
    for path in (manifest.launch.folder / "runs").glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)

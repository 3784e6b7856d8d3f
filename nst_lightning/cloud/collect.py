"""Results of finished jobs, unpacked into the folder layout of a local run."""

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.cloud.films import FRAMES
from nst_lightning.cloud.plan import Painting
from nst_lightning.cloud.uploads import check_picture
from nst_lightning.errors import InputError
from nst_lightning.files import write_error
from nst_lightning.options import lookup
from nst_lightning.run_folder import CONFIG, MEASURES, RunFolder

MARK = "job.json"
"""File of a collected folder that says where it came from."""


def is_collected(folder: Path, uri: str) -> bool:
    """Whether the picture of an address is in its folder on this machine."""
    try:
        mark = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    there = RunFolder(folder).picture is not None or (folder / FRAMES).is_dir()
    return mark.get("archive") == uri and there


def collect(
    folder: Path, painting: Painting, files: Mapping[str, Any], archive: bytes, uri: str
) -> dict[str, float]:
    """Unpack what a job left of a picture, beside its final place, and put it there in one step.

    Args:
        folder: Its place.
        painting: What was painted.
        files: Settings whose files a job had elsewhere, as the user named them.
        archive: A .tar.gz of the run's folder.
        uri: Where that was.

    Returns:
        Its measures.

    Raises:
        InputError: If there is no whole picture in the archive, or it cannot be written.
    """
    key = painting.key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{key[:40]}-") as holding:
            fresh = Path(holding, "run")
            fresh.mkdir(mode=0o755)
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
                tar.extractall(fresh, filter="data")
            measured = fresh / MEASURES
            measures = dict(json.loads(measured.read_bytes())) if measured.is_file() else {}
            picture = RunFolder(fresh).picture
            if painting.film:
                frames = len([*fresh.glob(f"{FRAMES}/*.png")])
                if not frames or frames != measures.get(FRAMES):
                    raise InputError(f"{key}: not all of its frames are in the job's results")
            elif picture is None:
                raise InputError(f"{key}: there is no picture in the job's results")
            else:
                check_picture(picture.read_bytes(), picture.name, key)
            local = {"data.content": painting.content, "data.style": painting.style, **files}
            _ = RunFolder(fresh).config  # which refuses what is none
            _localise(RunFolder(fresh), local | {"trainer.default_root_dir": str(folder)})
            mark = {"archive": uri, "content": painting.content, "style": painting.style}
            (fresh / MARK).write_text(json.dumps(mark, indent=1, ensure_ascii=False) + "\n")
            if folder.exists():
                folder.rename(Path(holding, "old"))
            fresh.rename(folder)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InputError(f"{key}: the job's results are damaged: {error}") from error
    except OSError as error:
        raise write_error(folder, error) from error
    return measures


def _localise(fresh: RunFolder, local: Mapping[str, Any]) -> None:
    """Write this machine's paths into a job's configurations, so that they repeat the run here."""
    for path in filter(Path.is_file, {fresh.path / CONFIG, fresh.config_path}):
        config = yaml.safe_load(path.read_bytes())
        for name, value in local.items():
            section, _, key = name.rpartition(".")
            place = lookup(config, section)
            if isinstance(place, dict):
                place.get("init_args", place)[key] = value
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")


def clear_leftovers(folder: Path) -> None:
    """Remove from the folder of all runs what a killed launcher was unpacking."""
    for path in folder.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)

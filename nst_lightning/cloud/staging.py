"""The code that goes into a job: the package, the entry script and what pip must add, no more."""

import gzip
import importlib.metadata
import io
import re
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nst_lightning.errors import InputError

PACKAGE = Path(__file__).parents[1]
ROOT = PACKAGE.parent
ENTRY = PACKAGE / "cloud" / "entry.py"

_NOT_IN_A_JOB = tuple(f"{PACKAGE.name}/{name}/" for name in ("configs", "cloud/rehearsal"))
"""Configs that are used go by themselves."""
_IN_THE_CONTAINER = {"torch", "torchvision", "torchaudio", "torchtext", "triton", "xformers"}
"""What the container brings, built for its GPU, and what pins it: never pinned or replaced."""


def requirements(further: Iterable[str] = ()) -> list[str]:
    """Return the lines of a job's requirements.txt.

    Args:
        further: Lines of the user's own.

    Raises:
        InputError: If one of them names what the container brings, or a file.
    """
    pyproject = ROOT / "pyproject.toml"
    if pyproject.is_file():
        declared = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        declared = importlib.metadata.requires("nst-lightning") or []
    lines = [line for line in declared if ";" not in line]
    lines = [line for line in lines if _name(line) not in _IN_THE_CONTAINER]
    for line in further:
        if re.match(r"\s*(-|\.|/|file:)", line):
            raise InputError(f"job.requirements: {line!r} names a file, which no job has")
        if _name(line) in _IN_THE_CONTAINER:
            raise InputError(
                f"job.requirements: {line!r} would replace the container's own build; leave it "
                "out and choose job.framework_version"
            )
        lines.append(line)
    return lines


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return match.group().lower().replace("_", "-") if match else ""


def staged_files(
    code: Sequence[str | Path] = (), further_requirements: Iterable[str] = ()
) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file that goes into a job, in a fixed order.

    Args:
        code: Files and folders of the user's own, for classes that a config names.
        further_requirements: Lines for requirements.txt.

    Raises:
        InputError: If something of ``code`` is not there, or two are of one name.
    """
    yield "entry.py", ENTRY.read_bytes()
    lines = requirements(further_requirements)
    yield "requirements.txt", ("\n".join(lines) + "\n").encode()
    for name, data in _tree(PACKAGE, PACKAGE.name):
        if not name.startswith(_NOT_IN_A_JOB):
            yield name, data
    taken = {"entry.py", "requirements.txt", PACKAGE.name}
    for given in map(Path, code):
        name = given.resolve().name
        if not given.exists():
            raise InputError(f"job.code: there is no file or folder {given}")
        if name in taken:
            raise InputError(f"job.code: {given}: there is another {name} in every job; rename it")
        taken.add(name)
        yield from _tree(given, name) if given.is_dir() else [(name, given.read_bytes())]


def _tree(folder: Path, name: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if path.is_file() and not hidden and path.suffix not in (".pyc", ".pyo"):
            yield f"{name}/{inside.as_posix()}", path.read_bytes()


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a .tar.gz that depends on nothing but the files: no times, no owners."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()

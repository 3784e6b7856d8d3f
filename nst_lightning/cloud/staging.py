"""The code that goes into a job: the package, the entry script and what pip must add, no more."""

import gzip
import importlib.util
import io
import sys
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nst_lightning.errors import InputError

PACKAGE = Path(__file__).parents[1]
ROOT = PACKAGE.parent
ENTRY = PACKAGE / "cloud" / "entry.py"

_NOT_IN_A_JOB = tuple(f"{PACKAGE.name}/{name}/" for name in ("configs", "cloud/rehearsal"))
"""Configs that are used go by themselves."""
PINNED = Path(__file__).with_name("requirements.txt")
_OF_FILMS = "# Of clips alone:\n"
IN_THE_CONTAINER = {"torch", "torchvision", "torchaudio", "torchtext", "triton", "xformers"}
"""What the container brings, built for its GPU, and what pins it: never pinned or replaced."""


def requirements(further: Iterable[str] = (), film: bool = False) -> list[str]:
    """Return the lines of a job's requirements.txt: the versions that were tested together.

    Args:
        film: Whether it paints a clip, which needs more.
        further: Lines of the user's own; one takes the place of ours for the same package.

    Raises:
        InputError: If one of them names what the container brings, or is none that pip would find.
    """
    ours, of_films = (
        [line for line in text.splitlines() if line and line[0] != "#"]
        for text in PINNED.read_text(encoding="utf-8").split(_OF_FILMS)
    )
    ours += of_films if film else []
    lines = {_name(line): line for line in ours}
    for line in further:
        if (name := _name(line)) in IN_THE_CONTAINER:
            raise InputError(
                f"job.requirements: {line!r} would replace the container's own build; leave it "
                "out and choose job.framework_version"
            )
        lines[name] = line.strip()
    return list(lines.values())


def _name(line: str) -> str:
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement as error:
        raise InputError(
            f"job.requirements: {line!r} is no package such as einops>=0.8 (a job has no files of "
            "this machine)"
        ) from error


def staged_files(
    code: Sequence[str | Path] = (),
    further_requirements: Iterable[str] = (),
    film: bool = False,
) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file that goes into a job, in a fixed order.

    Args:
        code: Files and folders of the user's own, for classes that a config names.
        further_requirements: Lines for requirements.txt.
        film: Whether the job paints a clip.

    Raises:
        InputError: If something of ``code`` is not there, or would take another's place.
    """
    yield "entry.py", ENTRY.read_bytes()
    lines = requirements(further_requirements, film)
    yield "requirements.txt", ("\n".join(lines) + "\n").encode()
    for name, data in _tree(PACKAGE, PACKAGE.name):
        if not name.startswith(_NOT_IN_A_JOB):
            yield name, data
    # With a setup.py, AWS's toolkit would install the code in place of running it.
    taken = {"entry.py", "requirements.txt", "setup.py", PACKAGE.name}
    for given in map(Path, code):
        name = given.resolve().name
        if not given.exists():
            raise InputError(f"job.code: there is no file or folder {given}")
        if name in taken:
            raise InputError(f"job.code: {given}: there is another {name} in every job; rename it")
        if _hides(given):
            raise InputError(f"job.code: {given} would hide the installed {given.stem}; rename it")
        taken.add(name)
        yield from _tree(given, name) if given.is_dir() else [(name, given.read_bytes())]


def _hides(given: Path) -> bool:
    """Whether Python would import this file or folder in place of a package of that name."""
    if given.suffix not in ("", ".py") or not given.stem.isidentifier():
        return False
    spec = importlib.util.find_spec(given.stem)
    origin = Path(spec.origin).resolve() if spec and spec.has_location and spec.origin else None
    elsewhere = origin is not None and not origin.is_relative_to(given.resolve())
    return given.stem in sys.stdlib_module_names or elsewhere


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

"""Whether a run would refuse a launch's settings: asked of a process of its own.

To know, a run is opened, and torch and Lightning take seconds to import. The launcher imports
neither, and meanwhile asks AWS. An answer is kept in the user's cache folder: the launch after a
dry run need not ask again.
"""

import contextlib
import hashlib
import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nst_lightning.cloud.container import CHANNEL_KEYS
from nst_lightning.cloud.staging import ROOT
from nst_lightning.data.sources import is_url
from nst_lightning.errors import InputError
from nst_lightning.files import cache_folder, write_whole
from nst_lightning.options import digest, lookup

WEIGHTS = CHANNEL_KEYS["weights"]
_PROGRAM = f"import sys; sys.path.append({str(ROOT)!r}); import {__name__} as m; m.main()"


@contextlib.contextmanager
def asked(staged: bytes, **question: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    """Have settings checked while the block runs.

    Args:
        staged: All code that decides the answer.
        **question: As :func:`effective_settings` takes it.

    Yields:
        What waits for the answer of that function, or raises its :class:`InputError`.
    """
    if "torch" in sys.modules:  # this process has paid for it
        yield lambda: effective_settings(**question)
        return
    kept = _place(staged, question)
    if kept.is_file():
        yield lambda: dict(json.loads(kept.read_bytes()))
        return
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is answered here
    ) as child:
        assert child.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(question, default=str))
                child.stdin.close()
            yield lambda: _answer(child, kept)
        finally:
            child.kill()


def _place(staged: bytes, question: dict[str, Any]) -> Path:
    """Return where an answer is kept, once there is one: for whatever pictures."""
    files = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in question["configs"]]
    same = {key: item for key, item in question.items() if key not in ("contents", "styles")}
    name = digest([same, files, hashlib.sha256(staged).hexdigest()])[:32]
    return cache_folder("settings") / f"{name}.json"


def _answer(child: subprocess.Popen[str], kept: Path) -> dict[str, Any]:
    assert child.stdout is not None
    lines = child.stdout.read().splitlines()
    if child.wait() or not lines:
        raise InputError(
            f"settings: their check ended with exit code {child.returncode}; see above"
        )
    answer: dict[str, Any] = json.loads(lines[-1])
    if "error" in answer:
        raise InputError(answer["error"])
    found = dict(answer["settings"])
    # Of files that settings name, another day may tell otherwise.
    if lookup(found, "data.content_mask") is None and lookup(found, WEIGHTS) in (None, "bundled"):
        with contextlib.suppress(InputError, OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(found))
    return found


def main() -> None:
    """Answer the question on stdin, in the last line of stdout."""
    try:
        answer: dict[str, Any] = {"settings": effective_settings(**json.load(sys.stdin))}
    except InputError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer, default=str), flush=True)


def effective_settings(
    settings: dict[str, Any],
    configs: list[str],
    contents: list[str],
    styles: list[str],
    code: list[str],
    ends: Sequence[dict[str, Any]] = (),
    film: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the whole configuration of a run, once its parts were built and so checked.

    Args:
        settings: Settings of a run by dotted name.
        configs: Files below them.
        contents: Pictures.
        styles: Pictures.
        code: Files and folders of the user's own classes.
        ends: Settings over those, of the ends of a search's ranges, which must do as well.
        film: Of a clip: what is painted of it. Then its parts are in the answer, too.

    Raises:
        InputError: If a run would refuse a key, a value or a mask.
    """
    with importable(code):
        if film is not None:
            # By name, as the command line does: features know the session, and not each other.
            wing = importlib.import_module("nst_lightning.video.parts")
            here = {**settings, "trainer.accelerator": "cpu"}
            return dict(wing.planned(film, here, configs, styles, _without_download()))
        pictures = {"data.content": contents[0], "data.style": styles[0]}
        found = _opened({**settings, **pictures}, configs)
        for end in ends:
            try:
                _opened({**settings, **end, **pictures}, configs)
            except InputError as error:
                raise InputError(f"tuning.ranges: {error}") from error
    if lookup(found, "data.content_mask") is not None:
        from nst_lightning.data.image_pair import ImagePair

        # With every picture that can be read here, as the jobs will.
        for content, style in itertools.product(contents, styles):
            if not is_url(content) and not is_url(style):
                ImagePair(**{**found["data"], "content": content, "style": style}).setup("test")
    return found


def _without_download() -> Any:
    """Return what builds encoders from weights that are here."""
    from nst_lightning.objective import SharedTargets

    class WithoutDownload(SharedTargets):
        def encoder(self, kind: type, *args: Any, **settings: Any) -> Any:
            """Build an encoder from weights that are here."""
            if settings.get("weights") == "imagenet":
                settings["weights"] = "bundled"
            return super().encoder(kind, *args, **settings)

    return WithoutDownload()


def _opened(settings: dict[str, Any], configs: list[str]) -> dict[str, Any]:
    from nst_lightning.session import open_run

    settings["trainer.accelerator"] = "cpu"  # the job's device may not be this machine's
    session = open_run(
        dict(sorted(settings.items())),
        configs,
        summary=False,
        progress=False,
        pictures=False,
        checkpoints=False,
        shared=_without_download(),
    )
    return session.settings


@contextlib.contextmanager
def importable(code: Sequence[str]) -> Iterator[None]:
    """Let Python import the user's own classes of ``job.code``.

    Args:
        code: Files and folders; a job has them beside its entry script.
    """
    before = list(sys.path)
    sys.path += [str(Path(path).resolve().parent) for path in code]
    try:
        yield
    finally:
        sys.path[:] = before

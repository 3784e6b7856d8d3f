"""Whether a run would refuse a launch's settings: asked of a process of its own.

To know, a run is opened, and torch and Lightning take seconds to import. The launcher imports
neither, and meanwhile asks AWS.
"""

import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nst_lightning.cloud.staging import ROOT
from nst_lightning.data.sources import is_url
from nst_lightning.errors import InputError
from nst_lightning.options import lookup

_PROGRAM = f"import sys; sys.path.append({str(ROOT)!r}); import {__name__} as m; m.main()"


@dataclass
class Question:
    """What is to be checked.

    Attributes:
        settings: Settings of a run by dotted name.
        configs: Files below them.
        contents: Pictures; the first is opened.
        styles: Pictures; the first is opened.
        code: Files and folders of the user's own classes.
        ends: Settings over those, of the ends of a search's ranges, which must do as well.
    """

    settings: dict[str, Any]
    configs: list[str]
    contents: list[str]
    styles: list[str]
    code: list[str] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)


@contextlib.contextmanager
def asked(question: Question) -> Iterator[Callable[[], dict[str, Any]]]:
    """Have settings checked while the block runs.

    Args:
        question: What is to be checked.

    Yields:
        What waits for the answer: the whole configuration of the first run. It raises an
        :class:`InputError` if a run would refuse it.
    """
    if "lightning" in sys.modules:  # this process has paid for it
        yield lambda: effective_settings(question)
        return
    words = [sys.executable, "-P", "-c", _PROGRAM]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(asdict(question), default=str))
                child.stdin.close()
            yield lambda: _answer(child)
        finally:
            child.kill()


def _answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    assert child.stdout is not None
    lines = child.stdout.read().splitlines()
    if child.wait() or not lines:
        raise RuntimeError(f"the check of the settings ended with exit code {child.returncode}")
    answer: dict[str, Any] = json.loads(lines[-1])
    if "error" in answer:
        raise InputError(answer["error"])
    return dict(answer["settings"])


def main() -> None:
    """Answer the question on stdin, in the last line of stdout."""
    try:
        answer: dict[str, Any] = {"settings": effective_settings(Question(**json.load(sys.stdin)))}
    except InputError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer, default=str), flush=True)


def effective_settings(question: Question) -> dict[str, Any]:
    """Return the whole configuration of a run, once its parts were built and so checked.

    Args:
        question: What is to be checked.

    Raises:
        InputError: If a run would refuse a key, a value or a mask.
    """
    found = _opened(question, {})
    for end in question.ends:
        try:
            _opened(question, end)
        except InputError as error:
            raise InputError(f"tuning.ranges: {error}") from error
    if lookup(found, "data.content_mask") is not None:
        _check_masks(found["data"], question)
    return found


def _opened(question: Question, over: Mapping[str, Any]) -> dict[str, Any]:
    from nst_lightning.objective import SharedTargets
    from nst_lightning.session import open_run

    class WithoutDownload(SharedTargets):
        def encoder(self, kind: type, *args: Any, **settings: Any) -> Any:
            """Build an encoder from weights that are here."""
            if settings.get("weights") == "imagenet":
                settings["weights"] = "bundled"
            return super().encoder(kind, *args, **settings)

    given = {
        **question.settings,
        **over,
        "data.content": question.contents[0],
        "data.style": question.styles[0],
        "trainer.accelerator": "cpu",  # the job's device may not be this machine's
    }
    with importable(question.code):
        session = open_run(
            dict(sorted(given.items())),
            question.configs,
            summary=False,
            progress=False,
            pictures=False,
            checkpoints=False,
            shared=WithoutDownload(),
        )
    return session.settings


def _check_masks(data: Mapping[str, Any], question: Question) -> None:
    """Pair the masks with every picture that can be read here, as the jobs will."""
    from nst_lightning.data.image_pair import ImagePair

    given = question.contents, question.styles
    here = [[source for source in sources if not is_url(source)] for sources in given]
    for content, style in itertools.product(*here):
        ImagePair(**{**data, "content": content, "style": style}).setup("test")


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

"""The comparison itself: paint or take over, run the baselines, measure, write."""

import contextlib
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nst_lightning.baselines import Baseline
from nst_lightning.compare import measuring
from nst_lightning.compare.keys import CONTENT, OPTIMISED, STYLE
from nst_lightning.compare.manifest import PICTURE, Manifest
from nst_lightning.compare.measuring import Ruler
from nst_lightning.compare.painting import (
    Plan,
    is_finished,
    is_foreign,
    make_plan,
    paint,
    run_digest,
)
from nst_lightning.compare.progress import OverallProgress
from nst_lightning.compare.results import improvement, summary, wins, write_results
from nst_lightning.data.images import load_image
from nst_lightning.data.sources import public_name, source_digest
from nst_lightning.data.which_pictures import Pair, Source
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write


@dataclass
class Comparison:
    """Contents x styles, and what is known of them so far.

    Args:
        contents: The contents.
        styles: The styles.
        stylizers: Baselines by key.
        identities: What each baseline is, by the same keys: ``class_path`` and ``init_args``.
        options: Options of ``fit``.
        size: Long side in pixels.
        out: Folder of the results.
        runs: Folder of the run folders.
        config: The configuration of the command, for ``OUT/compare.yaml``.
        about: What the results should say of the command itself.
    """

    contents: Sequence[Source]
    styles: Sequence[Source]
    stylizers: Mapping[str, Baseline]
    identities: Mapping[str, Any]
    options: Sequence[str]
    size: int
    out: Path
    runs: Path
    config: Mapping[str, Any]
    about: Mapping[str, Any]
    failures: list[dict[str, Any]] = field(default_factory=list)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Do what is not done yet and write the results after every pair.

        Returns:
            The content of ``metrics.json``.

        Raises:
            InputError: If nothing can be painted, a setting is wrong, or a baseline cannot be had.
            KeyboardInterrupt: If it was stopped; what is finished is written.
        """
        for stylizer in self.stylizers.values():
            _load(stylizer)
        digests = self._readable()
        every = [Pair(content, style) for content in self.contents for style in self.styles]
        self.order = [pair.name for pair in every]
        pairs = [p for p in every if p.content in digests and p.style in digests]
        plan = make_plan(self.options, self.size, pairs[0], self.runs / pairs[0].name)
        with atomic_write(self.out / "compare.yaml") as part:
            text = yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)
            part.write_text(text, encoding="utf-8")
        wanted = {
            pair.name: run_digest(plan, (digests[pair.content], digests[pair.style]))
            for pair in pairs
        }
        # Those that are there come first, so that a stopped comparison shows all that it has.
        pairs.sort(key=lambda pair: not is_finished(self.runs / pair.name, wanted[pair.name]))
        ruler = Ruler()
        with OverallProgress(len(pairs), plan.steps) as progress:
            for failure in self.failures:
                progress.print(f"failed: {failure['error']}")
            for pair in pairs:
                progress.start_pair(pair.label)
                key = (digests[pair.content], digests[pair.style])
                try:
                    self.done[pair.name] = self._one(
                        plan, pair, key, wanted[pair.name], ruler, progress
                    )
                except InputError as error:
                    self._fail(pair, str(error), progress)
                except Exception as error:  # one pair may not cost the other nine
                    line = (str(error).splitlines() or [""])[0]
                    self._fail(pair, f"{type(error).__name__}: {line}", progress, error)
                progress.end_pair()
                write_results(self.out, self.document())
        return self.document()

    def _readable(self) -> dict[Source, str]:
        """Read every picture once; return digests of those that can be read."""
        digests: dict[Source, str] = {}
        errors: list[InputError] = []
        for role, sources in ((CONTENT, self.contents), (STYLE, self.styles)):
            for source in sources:
                try:
                    load_image(source.source, role=role)
                    digests[source] = source_digest(source.source)
                except InputError as error:
                    errors.append(error)
                    others = self.styles if role == CONTENT else self.contents
                    self.failures.append(
                        {
                            "what": f"{role} {source.label}",
                            "pairs": [
                                Pair(*((source, o) if role == CONTENT else (o, source))).name
                                for o in others
                            ],
                            "error": str(error),
                        }
                    )
            if not any(source in digests for source in sources):
                raise errors[-1]
        return digests

    def _fail(
        self, pair: Pair, line: str, progress: OverallProgress, error: Exception | None = None
    ) -> None:
        self.failures.append({"what": pair.label, "pairs": [pair.name], "error": line})
        progress.print(f"failed: {pair.name}: {line}")
        folder = self.runs / pair.name
        with contextlib.suppress(OSError):
            if error is not None and folder.is_dir():
                text = "".join(traceback.format_exception(error))
                (folder / "error.txt").write_text(text, encoding="utf-8")

    def _one(
        self,
        plan: Plan,
        pair: Pair,
        digests: tuple[str, str],
        wanted: str,
        ruler: Ruler,
        progress: OverallProgress,
    ) -> dict[str, Any]:
        folder = self.runs / pair.name
        reused = is_finished(folder, wanted)
        foreign = is_foreign(folder)
        if not reused:
            paint(plan, pair, folder, wanted, progress.step)
        notes = measuring.write_references(pair, digests, folder, self.size)
        measuring.write_baselines(folder, self.stylizers, self.identities)
        measures = ruler.measure(folder, self.stylizers)
        self.unavailable = ruler.unavailable
        made = Manifest.read(folder)
        seconds = {key: made.times[f"{key}.png"] for key in self.stylizers}
        if not foreign:
            seconds[OPTIMISED] = made.seconds
        pictures = {key: f"{key}.png" for key in (CONTENT, STYLE, *self.stylizers)}
        return {
            "name": pair.name,
            "content": _told(pair.content),
            "style": _told(pair.style),
            "folder": _relative(folder, self.out),
            "pictures": {**pictures, OPTIMISED: PICTURE},
            "reused": reused,
            "made_elsewhere": foreign,
            "notes": notes,
            "seconds": seconds,
            "measures": measures,
            "improvement": {key: improvement(measures, key) for key in self.stylizers},
            "wins": {key: wins(measures, key) for key in self.stylizers},
        }

    def document(self) -> dict[str, Any]:
        """Return the content of ``metrics.json`` as it is now."""
        pairs = [self.done[name] for name in self.order if name in self.done]
        failed = {name for failure in self.failures for name in failure["pairs"]}
        return {
            **self.about,
            "baselines": {
                key: {"label": stylizer.label, **self.identities[key]}
                for key, stylizer in self.stylizers.items()
            },
            "summary": summary(pairs),
            "unavailable": self.unavailable,
            "failures": self.failures,
            "missing": [n for n in self.order if n not in self.done and n not in failed],
            "pairs": pairs,
        }


def _load(stylizer: Baseline) -> None:
    try:
        stylizer.ensure_loaded()
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:  # whatever a third party's class raises
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"--baselines: {stylizer.label} cannot be loaded: {line}") from error


def _told(source: Source) -> dict[str, str]:
    return {"name": source.name, "label": source.label, "source": public_name(source.source)}


def _relative(folder: Path, out: Path) -> str:
    return Path(os.path.relpath(folder, out)).as_posix()

"""The comparison itself: paint or take over, run the baselines, measure, write."""

import contextlib
import hashlib
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nst_lightning.baselines import Baseline
from nst_lightning.compare.keys import CONTENT, OPTIMISED, STYLE
from nst_lightning.compare.measuring import measure, write_baselines, write_references
from nst_lightning.compare.painting import OnStep, Painter, run_digest
from nst_lightning.compare.pair_folder import RESULT, PairFolder
from nst_lightning.compare.progress import OverallProgress
from nst_lightning.compare.results import improvement, summary, wins, write_results
from nst_lightning.data.images import load_image
from nst_lightning.data.sources import public_name
from nst_lightning.data.which_pictures import Pair, Source
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write
from nst_lightning.metrics.views import MEASURED_LAYERS
from nst_lightning.options import write_yaml


@dataclass
class Comparison:
    """Contents x styles, and what is known of them so far.

    Args:
        contents: The contents.
        styles: The styles.
        build_baselines: Makes the baselines, by key.
        painter: Paints the pairs.
        out: Folder of the results.
        config: The configuration of the command, for ``OUT/compare.yaml``.
        about: What the results should say of the command itself.
    """

    contents: Sequence[Source]
    styles: Sequence[Source]
    build_baselines: Callable[[], Mapping[str, Baseline]]
    painter: Painter
    out: Path
    config: Mapping[str, Any]
    about: Mapping[str, Any]
    failures: list[dict[str, Any]] = field(default_factory=list)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pairs = [Pair(content, style) for content in self.contents for style in self.styles]

    def run(self) -> dict[str, Any]:
        """Do what is not done yet and write the results after every pair.

        Returns:
            The content of ``metrics.json``.

        Raises:
            InputError: If nothing can be painted, a setting is wrong, or a baseline cannot be had.
            KeyboardInterrupt: If it was stopped; what is finished is written.
        """
        contents = self._digests(CONTENT, self.contents)
        styles = self._digests(STYLE, self.styles)
        pairs = [p for p in self.pairs if p.content in contents and p.style in styles]
        settings, steps = self.painter.plan(pairs[0])
        digests = {p: {CONTENT: contents[p.content], STYLE: styles[p.style]} for p in pairs}
        runs = {pair: run_digest(settings, **digests[pair]) for pair in pairs}
        folders = {pair: PairFolder(self.painter.runs / pair.name) for pair in pairs}
        missing = [pair for pair in pairs if not folders[pair].is_finished(runs[pair])]
        self.painter.check(missing)
        # Only now: a package or a network may be wanted, and mistakes in what was given come first.
        self.baselines = self.build_baselines()
        self.identities = dict(zip(self.baselines, self.config["baselines"], strict=True))
        for baseline in self.baselines.values():
            _load(baseline)
        with atomic_write(self.out / "compare.yaml") as part:
            part.write_text(write_yaml(self.config), encoding="utf-8")
        # Those that are there come first, so that a stopped comparison shows all that it has.
        pairs.sort(key=missing.__contains__)
        with OverallProgress(len(pairs), steps) as progress:
            for failure in self.failures:
                progress.print(f"failed: {failure['error']}")
            for pair in pairs:
                progress.start_pair(pair.label)
                folder = folders[pair]
                try:
                    made = self._make(pair, folder, runs[pair], digests[pair], progress.step)
                    self.done[pair.name] = made
                except Exception as error:  # one pair may not cost the other nine
                    line = self._fail(pair, folder.path, error)
                    painted = folder.is_finished(runs[pair])
                    what = "not compared" if painted else "failed"
                    progress.print(f"{what}: {pair.name}: {line}")
                progress.end_pair()
                write_results(self.out, self.document())
        return self.document()

    def _digests(self, role: str, sources: Sequence[Source]) -> dict[Source, str]:
        """Read every picture; return digests of the pixels of those that can be read."""
        digests: dict[Source, str] = {}
        errors: list[InputError] = []
        for source in sources:
            try:
                picture = load_image(source.source, role=role)
            except InputError as error:
                errors.append(error)
                pairs = [pair.name for pair in self.pairs if getattr(pair, role) == source]
                self.failures.append(
                    {"what": f"{role} {source.label}", "pairs": pairs, "error": str(error)}
                )
                continue
            found = hashlib.sha256(repr(picture.pixels.shape).encode())
            for part in (picture.pixels, picture.alpha):
                if part is not None:
                    found.update(part.numpy().tobytes())
            digests[source] = found.hexdigest()
        if not digests:
            raise errors[-1]
        return digests

    def _fail(self, pair: Pair, folder: Path, error: Exception) -> str:
        """Note a failure; returns the line that says what happened."""
        line = (str(error).splitlines() or [""])[0]
        if not isinstance(error, InputError):
            line = f"{type(error).__name__}: {line}"
            with contextlib.suppress(OSError):
                if folder.is_dir():
                    text = "".join(traceback.format_exception(error))
                    (folder / "error.txt").write_text(text, encoding="utf-8")
        self.failures.append({"what": pair.label, "pairs": [pair.name], "error": line})
        return line

    def _make(
        self, pair: Pair, folder: PairFolder, run: str, digests: Mapping[str, str], on_step: OnStep
    ) -> dict[str, Any]:
        """Make what is missing of a pair; returns what ``metrics.json`` says of it."""
        reused, foreign = folder.is_finished(run), folder.is_foreign
        if not reused:
            self.painter.paint(pair, folder, run, on_step)
        write_references(pair, digests, folder, self.painter.size)
        write_baselines(folder, self.baselines, self.identities)
        encoder = self.painter.shared.measuring_encoder(MEASURED_LAYERS)
        measures, self.unavailable = measure(folder, self.baselines, encoder)
        record = folder.record
        seconds = {key: record.times[f"{key}.png"] for key in self.baselines}
        if not foreign:
            seconds[OPTIMISED] = record.seconds
        pictures = {key: f"{key}.png" for key in (CONTENT, STYLE, *self.baselines)}
        return {
            "name": pair.name,
            "content": _described(pair.content),
            "style": _described(pair.style),
            "folder": Path(os.path.relpath(folder.path, self.out)).as_posix(),
            "pictures": {**pictures, OPTIMISED: RESULT},
            "reused": reused,
            "made_elsewhere": foreign,
            "notes": record.notes,
            "seconds": seconds,
            "measures": measures,
            "improvement": {key: improvement(measures, key) for key in self.baselines},
            "wins": {key: wins(measures, key) for key in self.baselines},
        }

    def document(self) -> dict[str, Any]:
        """Return the content of ``metrics.json`` as it is now."""
        names = [pair.name for pair in self.pairs]
        pairs = [self.done[name] for name in names if name in self.done]
        failed = {name for failure in self.failures for name in failure["pairs"]}
        return {
            **self.about,
            "baselines": {
                key: {"label": baseline.label, **self.identities[key]}
                for key, baseline in self.baselines.items()
            },
            "summary": summary(pairs),
            "unavailable": self.unavailable,
            "failures": self.failures,
            "missing": [name for name in names if name not in self.done and name not in failed],
            "pairs": pairs,
        }


def _load(baseline: Baseline) -> None:
    try:
        baseline.ensure_loaded()
    except InputError:
        raise
    except Exception as error:  # whatever a third party's class raises
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"--baselines: {baseline.label} cannot be loaded: {line}") from error


def _described(source: Source) -> dict[str, str]:
    return {"name": source.name, "label": source.label, "source": public_name(source.source)}

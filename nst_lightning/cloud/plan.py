"""From a launch's settings to its jobs: what each is given, and what must be in S3 for it."""

import contextlib
import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nst_lightning.cloud.config import MOST_PICTURES, Launch
from nst_lightning.cloud.container import CHANNEL_KEYS, CONFIG_CHANNEL, SETTINGS_FILE
from nst_lightning.cloud.hyperparameters import PAINTING, split_for_job
from nst_lightning.cloud.names import check_launch_name
from nst_lightning.cloud.staging import pack, staged_files
from nst_lightning.cloud.uploads import Upload
from nst_lightning.data.sources import SAMPLE_PREFIX, is_url
from nst_lightning.data.which_pictures import Pair, find_sources
from nst_lightning.errors import InputError
from nst_lightning.options import digest, find_config, lookup

CODE_FILE = "sourcedir.tar.gz"
_PROGRESS = ("step", "steps", "picture")
_MEASURES = ("ssim", "mse", "style_distance", "total_variation", "tradeoff")
_MOST_CHANNELS = 20 - len(CHANNEL_KEYS)
"""Channels for pictures: AWS takes 20, and code, settings and what pictures share have theirs."""
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Painting:
    """One picture to be painted.

    Attributes:
        key: ``<content>--<style>``, the name of its folder.
        content: Source as the user named it.
        style: Source as the user named it.
        settings: Those of its own, by dotted name: sources that need no channel.
        channels: ``content`` or ``style`` -> folder of its upload, or an s3:// address.
        fingerprint: Of all that decides the picture, and of its key.
    """

    key: str
    content: str
    style: str
    settings: dict[str, Any]
    channels: dict[str, str]
    fingerprint: str


@dataclass(frozen=True)
class PlannedJob:
    """What a training job is given.

    Attributes:
        settings: Hyper-parameters by dotted name.
        channels: Channel -> folder of its upload, or an s3:// address.
        fingerprint: Of the pictures that were first given to it: the name of its checkpoints.
        code: Folder of the code's upload.
        metrics: Names of the metrics that it logs.
        files: Setting -> its files as the user named them, of all channels but content and style.
    """

    settings: dict[str, Any]
    channels: dict[str, str]
    fingerprint: str
    code: str
    metrics: list[str]
    files: dict[str, Any] = field(default_factory=dict)

    def given(self, paintings: Mapping[int, Painting], attempt: int) -> "PlannedJob":
        """Return the job that paints these pictures, one after another.

        Args:
            paintings: Left to be painted, by their numbers in the job.
            attempt: By which a failure of now is told from an older one.
        """
        places = dict.fromkeys(p for one in paintings.values() for p in one.channels.values())
        names = {place: f"picture_{n:02d}" for n, place in enumerate(places)}
        told = {
            f"{PAINTING}{n:02d}": {
                "key": item.key,
                "id": item.fingerprint,
                "attempt": attempt,
                "settings": item.settings,
                "channels": {role: names[place] for role, place in item.channels.items()},
            }
            for n, item in paintings.items()
        }
        channels = {**self.channels, **{name: place for place, name in names.items()}}
        return replace(self, settings={**self.settings, **told}, channels=channels)


@dataclass
class Plan:
    """All pictures of a launch, and what their jobs have in common.

    Attributes:
        job: What every job is given.
        paintings: By key, in the order of contents and then styles.
        uploads: What they need in S3, by folder.
    """

    job: PlannedJob
    paintings: dict[str, Painting] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def add(self, upload: Upload) -> str:
        """Add an upload; return its folder."""
        folder = upload.folder
        self.uploads[folder] = upload
        return folder


def divided(paintings: Sequence[Painting], launch: Launch) -> Iterator[list[Painting]]:
    """Share pictures out to jobs, in order; see ``job.pictures``."""
    most = launch.job.pictures
    if most == "auto":
        most = min(MOST_PICTURES, math.ceil(len(paintings) / launch.limits.parallel))
    batch: list[Painting] = []
    places: set[str] = set()
    for painting in paintings:
        more = places.union(painting.channels.values())
        if batch and (len(batch) == most or len(more) > _MOST_CHANNELS):
            yield batch
            batch, more = [], set(painting.channels.values())
        batch.append(painting)
        places = more
    if batch:
        yield batch


def make_plan(launch: Launch) -> Plan:
    """Plan every job of a launch; nothing is sent.

    Args:
        launch: As asked for.

    Raises:
        InputError: If a name, a picture or a setting is wrong.
    """
    check_launch_name(launch.name)
    contents = find_sources(launch.contents, "contents")
    styles = find_sources(launch.styles, "styles")
    configs = [Path(find_config(name)) for name in launch.configs]
    effective = effective_settings(launch, contents[0].source, styles[0].source)
    shared, rest = split_for_job(launch.settings)
    job = PlannedJob(shared, {}, "", "", metric_names(effective))
    plan = Plan(job)
    staged = staged_files(launch.job.code, launch.job.requirements)
    code = plan.add(Upload(((CODE_FILE, pack(staged)),)))
    config_files = [(f"{n:02d}-{path.name}", path.read_bytes()) for n, path in enumerate(configs)]
    if rest:
        config_files.append((SETTINGS_FILE, json.dumps(rest).encode()))
    if config_files:
        job.channels[CONFIG_CHANNEL] = plan.add(Upload(tuple(config_files)))
    files = _add_files(plan, effective, shared, job.channels)
    plan.job = replace(job, code=code, files=files)
    places = {
        item.source: _place(item.source, role, plan)
        for role, items in (("content", contents), ("style", styles))
        for item in items
    }
    if lookup(effective, "data.content_mask") is not None:
        _check_masks(effective["data"], [c.source for c in contents], [s.source for s in styles])
    container = [launch.job.framework_version, launch.job.image_uri]
    common = [shared, job.channels, code, container]
    for pair in (Pair(content, style) for content in contents for style in styles):
        content, style = pair.content.source, pair.style.source
        settings, channels = {}, {}
        for role, source in (("content", content), ("style", style)):
            if (place := places[source]) is None:
                settings[CHANNEL_KEYS[role]] = source
            else:
                channels[role] = place
        decides = digest([common, pair.name, settings, channels])[:10]
        painting = Painting(pair.name, content, style, settings, channels, decides)
        plan.paintings[pair.name] = painting
    return plan


def _add_files(
    plan: Plan, effective: Mapping[str, Any], shared: dict[str, Any], channels: dict[str, str]
) -> dict[str, Any]:
    """Add the files that settings name to the uploads, the channels and the shared settings.

    Returns:
        Setting -> its files as the user named them.
    """
    files: dict[str, Any] = {}
    for channel in ("init", "weights", "content_mask", "style_mask"):
        key = CHANNEL_KEYS[channel]
        value = lookup(effective, key)
        listed = value if isinstance(value, list) else [value]
        sent = {
            n: f"{n:02d}-{Path(item).name}"
            for n, item in enumerate(listed)
            if isinstance(item, str) and _is_file(item, channel)
        }
        if not sent:
            continue
        files[key] = value
        if isinstance(value, list):
            read = ((name, Path(value[n]).read_bytes()) for n, name in sent.items())
            channels[channel] = plan.add(Upload(tuple(read)))
            shared[key] = [sent.get(n, item) for n, item in enumerate(value)]
        else:
            channels[channel] = plan.add(Upload.of_file(value, key))
            shared.pop(key, None)
    return files


def _is_file(value: str, channel: str) -> bool:
    """Return whether a setting names a file, which every job must be given.

    Raises:
        InputError: If it names one that cannot be read.
    """
    from nst_lightning.data.image_pair import STARTS
    from nst_lightning.data.images import load_image

    named = value in (*STARTS, "bundled", "imagenet") or value.startswith(SAMPLE_PREFIX)
    if named or is_url(value):
        return False
    if channel != "weights":  # those were looked for when the encoder was built
        load_image(value, role=channel)
    return Path(value).is_file()


def _check_masks(data: Mapping[str, Any], contents: list[str], styles: list[str]) -> None:
    """Pair the masks with every picture that can be read here, as the jobs will.

    Raises:
        InputError: If a mask does not suit a picture.
    """
    from nst_lightning.data.image_pair import ImagePair

    here = [[s for s in sources if not is_url(s)] for sources in (contents, styles)]
    for content, style in itertools.product(*here):
        ImagePair(**{**data, "content": content, "style": style}).setup("test")


def _place(source: str, role: str, plan: Plan) -> str | None:
    """Return where a picture is for a job: an upload, an s3:// address, or None: its own name."""
    from nst_lightning.data.images import load_image

    if source.startswith("s3://"):
        return source
    if len(source) > _LONGEST_NAME:
        raise InputError(f"{role}: {source[:60]}… is too long for a job's settings; copy it to S3")
    if is_url(source):
        return None
    load_image(source, role=role)  # a mistake is found here, not on a billed instance
    return None if source.startswith(SAMPLE_PREFIX) else plan.add(Upload.of_file(source, role))


def effective_settings(launch: Launch, content: str, style: str) -> dict[str, Any]:
    """Return the whole configuration of one job, once its parts were built and so checked.

    Args:
        launch: As asked for.
        content: Of the job.
        style: Of the job.

    Raises:
        InputError: If a run would refuse a key or a value.
    """
    from nst_lightning.objective import SharedTargets
    from nst_lightning.session import open_run

    class WithoutDownload(SharedTargets):
        def encoder(self, kind: type, *args: Any, **settings: Any) -> Any:
            """Build an encoder from weights that are here."""
            if settings.get("weights") == "imagenet":
                settings["weights"] = "bundled"
            return super().encoder(kind, *args, **settings)

    given = {**launch.settings, "data.content": content, "data.style": style}
    # The job's device may not be this machine's.
    given["trainer.accelerator"] = "cpu"
    with importable(launch.job.code):
        session = open_run(
            dict(sorted(given.items())),
            launch.configs,
            summary=False,
            progress=False,
            pictures=False,
            checkpoints=False,
            shared=WithoutDownload(),
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


def metric_names(effective: Mapping[str, Any]) -> list[str]:
    """Return the names of what a job with these settings logs."""
    model = effective.get("model") or {}
    terms = [name for name in ("content", "style", "tv") if model.get(name)]
    terms += list(model.get("extra") or {})
    return ["loss", *_PROGRESS, *(f"{term}_loss" for term in terms), *_MEASURES][:40]

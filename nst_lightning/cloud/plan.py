"""From a launch's settings to its jobs: what each is given, and what must be in S3 for it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lightning.cloud import films
from nst_lightning.cloud.config import MOST_PICTURES, Launch
from nst_lightning.cloud.container import CHANNEL_KEYS, CONFIG_CHANNEL, SETTINGS_FILE
from nst_lightning.cloud.hyperparameters import PAINTING, split_for_job
from nst_lightning.cloud.names import check_launch_name
from nst_lightning.cloud.settings_check import asked
from nst_lightning.cloud.staging import pack, staged_files
from nst_lightning.cloud.uploads import Upload, check_picture, read_file
from nst_lightning.data.sources import SAMPLE_PREFIX, is_url, public_name
from nst_lightning.data.which_pictures import SEPARATOR, Pair, Source, find_sources, safe_name
from nst_lightning.options import digest, find_config, lookup

if TYPE_CHECKING:
    from nst_lightning.cloud.aws import Aws

CODE_FILE = "sourcedir.tar.gz"
_PROGRESS = ("step", "steps", "picture")
_MEASURES = ("ssim", "mse", "style_distance", "total_variation", "tradeoff")
_MOST_CHANNELS = 20 - len(CHANNEL_KEYS)
"""Channels for pictures: AWS takes 20, and code, settings and what pictures share have theirs."""
WORDS = ("content", "blurred", "style", "noise", "grey", "bundled", "imagenet")
"""Values of ``data.init`` and of an encoder's ``weights`` that name no file."""


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
        film: What a part of a clip is told besides; empty for a picture.
    """

    key: str
    content: str
    style: str
    settings: dict[str, Any]
    channels: dict[str, str]
    fingerprint: str
    film: dict[str, Any] = field(default_factory=dict)


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
                **({"film": item.film} if item.film else {}),
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
    """Share pictures out to jobs, in order; see ``job.pictures``. A clip's parts have one each."""
    most = 1 if launch.film else launch.job.pictures
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


def make_plan(
    launch: Launch, aws: "Aws | None" = None, ends: Sequence[dict[str, Any]] = ()
) -> Plan:
    """Plan every job of a launch; nothing is sent.

    Args:
        launch: As asked for.
        aws: Its account: is checked while the settings are, and gives what is in S3. Without one,
            nothing is called, and what would be fetched is not looked at.
        ends: Settings at the ends of what a search tries.

    Raises:
        InputError: If a name, a picture, a setting or the account is wrong.
    """
    check_launch_name(launch.name)
    contents = [] if launch.film else find_sources(launch.contents, "contents")
    styles = find_sources(launch.styles, "styles")
    configs = [Path(find_config(name)) for name in launch.configs]
    is_film = launch.film is not None
    staged = pack(staged_files(launch.job.code, launch.job.requirements, is_film))
    with asked(
        staged,
        settings=launch.settings,
        configs=[str(path) for path in configs],
        contents=[item.source for item in contents],
        styles=[item.source for item in styles],
        code=launch.job.code,
        ends=list(ends),
        **films.question(launch),
    ) as answer:
        if aws is not None:
            aws.check()
        effective = answer()
    shared, rest = split_for_job(launch.settings)
    if is_film:  # of several styles, as ``nst video``
        shared["data.style"] = [item.source for item in styles]
    job = PlannedJob(shared, {}, "", "", metric_names(effective))
    plan = Plan(job)
    code = plan.add(Upload(((CODE_FILE, staged),)))
    config_files = [(f"{n:02d}-{path.name}", path.read_bytes()) for n, path in enumerate(configs)]
    if rest:
        config_files.append((SETTINGS_FILE, json.dumps(rest).encode()))
    if config_files:
        job.channels[CONFIG_CHANNEL] = plan.add(Upload(tuple(config_files)))
    files = _add_files(plan, effective, shared, job.channels, aws)
    plan.job = replace(job, code=code, files=files)
    container = [launch.job.framework_version, launch.job.image_uri]
    common = [shared, job.channels, code, container]
    if is_film:
        _add_parts(plan, launch, styles, effective["film"], common)
        return plan
    places = {
        item.source: _place(item.source, role, plan, aws)
        for role, items in (("content", contents), ("style", styles))
        for item in items
    }
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


def _add_parts(
    plan: Plan, launch: Launch, styles: Sequence[Source], found: Sequence[Any], common: object
) -> None:
    """Add the parts of a clip to a plan."""
    clip = str(launch.film and launch.film.clip)
    name = f"{safe_name(Path(clip).stem)}{SEPARATOR}{styles[0].name}"
    style = ", ".join(item.source for item in styles)
    for key, frames, told in films.parts_of(launch, found, name):
        channels = {"content": plan.add(frames)}
        decides = digest([common, key, channels, told])[:10]
        plan.paintings[key] = Painting(key, clip, style, {}, channels, decides, told)


def _add_files(
    plan: Plan,
    effective: Mapping[str, Any],
    shared: dict[str, Any],
    channels: dict[str, str],
    aws: "Aws | None",
) -> dict[str, Any]:
    """Add the files that settings name to the uploads, the channels and the shared settings.

    Returns:
        Setting -> its files as the user named them.
    """
    files: dict[str, Any] = {}
    of_films = ("style",) if "film" in effective else ()
    for channel in ("init", "weights", "content_mask", "style_mask", *of_films):
        key = CHANNEL_KEYS[channel]
        value = lookup(effective, key)
        listed = value if isinstance(value, list) else [value]
        read = {
            n: _read(item, channel, aws) for n, item in enumerate(listed) if _is_file(item, channel)
        }
        if not read:
            continue
        files[key] = value
        if isinstance(value, list):
            sent = {n: (f"{n:02d}-{name}", data) for n, (name, data) in read.items()}
            channels[channel] = plan.add(Upload(tuple(sent.values())))
            shared[key] = [sent[n][0] if n in sent else item for n, item in enumerate(value)]
        else:
            channels[channel] = plan.add(Upload((read[0],)))
            shared.pop(key, None)
    return files


def _is_file(value: object, channel: str) -> bool:
    """Return whether the value of a setting names a file, which every job must be given."""
    if not isinstance(value, str) or value in WORDS or value.startswith(SAMPLE_PREFIX):
        return False
    # An encoder of the user's own may know further words.
    return channel != "weights" or is_url(value) or Path(value).is_file()


def _place(source: str, role: str, plan: Plan, aws: "Aws | None") -> str | None:
    """Return the folder of a picture's upload, or None for one that a job has anyway."""
    file = _read(source, role, aws)
    return None if source.startswith(SAMPLE_PREFIX) else plan.add(Upload((file,)))


def _read(source: str, role: str, aws: "Aws | None") -> tuple[str, bytes]:
    """Return name and bytes of a file, once it was found to be what it should be."""
    if aws is None and is_url(source):
        return "read-when-it-is-launched", public_name(source).encode()
    name, data = read_file(source, role, aws.get if aws else None)
    if role != "weights":  # those were looked at when the encoder was built
        check_picture(data, source, role)
    return name, data


def metric_names(effective: Mapping[str, Any]) -> list[str]:
    """Return the names of what a job with these settings logs."""
    if "film" in effective:
        return [*_PROGRESS, films.MEASURE]
    model = effective.get("model") or {}
    terms = [name for name in ("content", "style", "tv") if model.get(name)]
    terms += list(model.get("extra") or {})
    return ["loss", *_PROGRESS, *(f"{term}_loss" for term in terms), *_MEASURES][:40]

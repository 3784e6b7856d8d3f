"""From a launch's settings to its jobs: what each is given, and what must be in S3 for it."""

import contextlib
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.container import CHANNEL_KEYS, CONFIG_CHANNEL, SETTINGS_FILE
from nst_lightning.cloud.hyperparameters import split_for_job
from nst_lightning.cloud.names import check_launch_name
from nst_lightning.cloud.staging import pack, staged_files
from nst_lightning.cloud.uploads import Upload
from nst_lightning.data.sources import SAMPLE_PREFIX, is_url
from nst_lightning.data.which_pictures import Pair, find_sources
from nst_lightning.options import digest, find_config, lookup

CODE_FILE = "sourcedir.tar.gz"
_MEASURES = ("ssim", "mse", "style_distance", "total_variation", "tradeoff")


@dataclass(frozen=True)
class PlannedJob:
    """One painting.

    Attributes:
        key: ``<content>--<style>``, the name of its folder.
        content: Source as the user named it.
        style: Source as the user named it.
        settings: Hyper-parameters by dotted name.
        channels: Channel -> folder of its upload, or an s3:// address.
        fingerprint: Of all that decides the picture.
        code: Folder of the code's upload.
        metrics: Names of the metrics that it logs.
        files: Setting -> its files as the user named them, of all channels but content and style.
    """

    key: str
    content: str
    style: str
    settings: dict[str, Any]
    channels: dict[str, str]
    fingerprint: str
    code: str
    metrics: list[str]
    files: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """All jobs of a launch.

    Attributes:
        jobs: In the order of contents and then styles.
        uploads: What they need in S3, by folder.
    """

    jobs: list[PlannedJob] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def add(self, upload: Upload) -> str:
        """Add an upload; return its folder."""
        folder = upload.folder
        self.uploads[folder] = upload
        return folder


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
    plan = Plan()
    staged = staged_files(launch.job.code, launch.job.requirements)
    code = plan.add(Upload(((CODE_FILE, pack(staged)),)))
    shared, rest = split_for_job(launch.settings)
    channels: dict[str, str] = {}
    config_files = [(f"{n:02d}-{path.name}", path.read_bytes()) for n, path in enumerate(configs)]
    if rest:
        config_files.append((SETTINGS_FILE, json.dumps(rest).encode()))
    if config_files:
        channels[CONFIG_CHANNEL] = plan.add(Upload(tuple(config_files)))
    files = _add_files(plan, effective, shared, channels)
    places = {
        item.source: _place(item.source, role, plan)
        for role, items in (("content", contents), ("style", styles))
        for item in items
    }
    if lookup(effective, "data.content_mask") is not None:
        _check_masks(effective["data"], [c.source for c in contents], [s.source for s in styles])
    metrics = metric_names(effective)
    for pair in (Pair(content, style) for content in contents for style in styles):
        content, style = pair.content.source, pair.style.source
        own: dict[str, Any] = {"settings": {**shared}, "channels": {**channels}, "code": code}
        for channel, source in (("content", content), ("style", style)):
            place = places[source]
            if place is None:
                own["settings"][CHANNEL_KEYS[channel]] = source
            else:
                own["channels"][channel] = place
        own["fingerprint"] = digest(own | {"job": _decisive(launch)})[:10]
        plan.jobs.append(PlannedJob(pair.name, content, style, **own, metrics=metrics, files=files))
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


def _decisive(launch: Launch) -> dict[str, Any]:
    """Return the settings of AWS with which the same job is another job."""
    job = asdict(launch.job)
    for name in ("price_per_hour", "currency", "code", "requirements"):
        job.pop(name)
    return job


def _place(source: str, role: str, plan: Plan) -> str | None:
    """Return where a picture is for a job: an upload, an s3:// address, or None: its own name."""
    from nst_lightning.data.images import load_image

    if source.startswith("s3://"):
        return source
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
    return ["loss", *(f"{term}_loss" for term in terms), *_MEASURES][:40]

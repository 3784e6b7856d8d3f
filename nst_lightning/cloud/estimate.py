"""What a launch would start, before it costs anything."""

import math
from datetime import date

from nst_lightning.cloud.catalogue import support_note
from nst_lightning.cloud.films import frames_in
from nst_lightning.cloud.manifest import Manifest
from nst_lightning.cloud.plan import Plan

START_UP = 240
"""Seconds that a job is billed for before it paints: AWS's users tell of three to five minutes."""


def estimate(manifest: Manifest, plan: Plan) -> list[str]:
    """Return a few lines: jobs, instances, the most that it can take and cost.

    The time is an upper bound, from ``job.max_run``: how long a painting takes is known only when
    one has been made.

    Args:
        manifest: Of the launch.
        plan: Its pictures; what is done of them counts like the others.
    """
    job, limits, count = manifest.launch.job, manifest.launch.limits, len(plan.paintings)
    jobs = [one for one in manifest.jobs.values() if plan.paintings.keys() & one.pictures.keys()]
    started, longest = len(jobs), max((len(one.pictures) for one in jobs), default=1)
    if manifest.search:
        count = started = manifest.search.tuning.max_jobs
    kind = "spot" if job.spot else "on-demand"
    waiting = job.spot * (job.longest_wait - job.max_run)
    seconds = math.ceil(started / limits.parallel) * (longest * job.max_run + waiting)
    hours, spared = count * job.max_run / 3600, (count - started) * START_UP / 3600
    size = sum(upload.size for upload in plan.uploads.values())
    contents, styles = (
        {getattr(one, role) for one in plan.paintings.values()} for role in ("content", "style")
    )
    what, each = f"{count} pictures ({len(contents)} contents x {len(styles)} styles)", "a picture"
    if film := manifest.launch.film:
        frames = [frames_in(one.film) for one in plan.paintings.values()]
        passes = f" x {film.passes} passes" if film.passes > 1 else ""
        most = job.max_run / (max(frames) * film.passes)
        parts = f"{count} parts ({', '.join(map(str, frames))})" if count > 1 else "one part"
        what = f"{sum(frames)} frames{passes} in {parts}"
        each = f"a part, {most:.1f} s for each frame of the longest"
    lines = [
        f"{what} in {started} "
        f"training jobs on one {kind} {job.instance_type} each, {limits.parallel} at a time",
        f"at most {hours:.1f} instance hours (job.max_run {job.max_run} s {each}), "
        f"{seconds / 3600:.1f} hours from first to last",
        f"uploads: {size / 2**20:.1f} MiB in {len(plan.uploads)} folders, less what is there",
        f"at most {limits.calls_per_minute} SageMaker calls a minute",
    ]
    price = job.price_per_hour
    if spared:
        money = f", {spared * price:.2f} {job.currency}" if price else ""
        lines.append(
            f"job.pictures: up to {longest} in a job spare {count - started} start-ups, about "
            f"{spared:.1f} instance hours{money} at {START_UP} s each"
        )
    if price is not None:
        most = f"{hours * price:.2f} {job.currency}"
        lines.append(f"at most {most}, at {price} an instance hour")
    elif not manifest.rehearsal:
        lines.append("set job.price_per_hour to see the money, from AWS's price list")
    if note := support_note(job, date.today()):
        lines.append(note)
    if job.warm_pool:
        lines.append(f"warm instances are billed for up to {job.warm_pool} s after the last job")
    return lines

"""What a launch would start, before it costs anything."""

import math

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import Plan


def estimate(launch: Launch, plan: Plan) -> list[str]:
    """Return a few lines: jobs, instances, the most that it can take and cost.

    The time is an upper bound, from ``job.max_run``: how long a painting takes is known only when
    one has been made.

    Args:
        launch: As asked for.
        plan: Its jobs.
    """
    job, limits, count = launch.job, launch.limits, len(plan.jobs)
    kind = "spot" if job.spot else "on-demand"
    waves = math.ceil(count / limits.parallel)
    hours = count * job.max_run / 3600
    size = sum(len(data) for upload in plan.uploads.values() for _, data in upload.files)
    contents, styles = ({getattr(job, role) for job in plan.jobs} for role in ("content", "style"))
    pairs = f"{len(contents)} contents x {len(styles)} styles"
    lines = [
        f"{count} training jobs ({pairs}) on one {kind} {job.instance_type} each, "
        f"{limits.parallel} at a time",
        f"at most {hours:.1f} instance hours (job.max_run {job.max_run} s each), "
        f"{waves * job.max_run / 3600:.1f} hours from first to last",
        f"uploads: {size / 2**20:.1f} MiB in {len(plan.uploads)} folders, less what is there",
        f"at most {limits.calls_per_minute} SageMaker calls a minute",
    ]
    if job.price_per_hour is not None:
        lines.append(
            f"at most {hours * job.price_per_hour:.2f} {job.currency}, at {job.price_per_hour} an "
            "instance hour"
        )
    else:
        lines.append("set job.price_per_hour to see the money, from AWS's price list")
    if job.warm_pool:
        lines.append(f"warm instances are billed for up to {job.warm_pool} s after the last job")
    return lines

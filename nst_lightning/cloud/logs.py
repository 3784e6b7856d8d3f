"""What jobs print, from CloudWatch, and where AWS's console shows them."""

import time
from collections.abc import Iterator
from typing import Any

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.aws_errors import explained
from nst_lightning.say import say

_GROUP = "/aws/sagemaker/TrainingJobs"
_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}


def console_address(region: str, name: str, page: str = "jobs") -> str:
    """Return the address of a training job in AWS's console.

    Args:
        region: Where it runs.
        name: Of the job.
        page: ``jobs``, or ``hyper-tuning-jobs`` for a search.
    """
    hosts = (host for start, host in _CONSOLES.items() if region.startswith(start))
    host = next(hosts, f"{region}.console.aws.amazon.com")
    return f"https://{host}/sagemaker/home?region={region}#/{page}/{name}"


def new_lines(logs: Any, name: str, seen: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a job's log, on all its instances, that were not yielded before.

    Args:
        logs: boto3's client.
        name: Of the training job.
        seen: Stream -> where its next page begins; it is kept from call to call.
    """
    with explained(f"the log of {name}"):
        try:
            pages = logs.get_paginator("describe_log_streams").paginate(
                logGroupName=_GROUP, logStreamNamePrefix=f"{name}/"
            )
            # Named after the instance's start: the order is that of time.
            streams = [item["logStreamName"] for page in pages for item in page["logStreams"]]
        except logs.exceptions.ResourceNotFoundException:
            return  # nothing was ever printed in this region
        for stream in streams:
            while True:
                after = {"nextToken": seen[stream]} if stream in seen else {}
                page = logs.get_log_events(
                    logGroupName=_GROUP, logStreamName=stream, startFromHead=True, **after
                )
                yield from (event["message"] for event in page["events"])
                if page["nextForwardToken"] == seen.get(stream):
                    break  # AWS answers with the same place where there is no more yet
                seen[stream] = page["nextForwardToken"]


def print_log(aws: Aws, name: str, follow: bool) -> int:
    """Print a job's log; return the exit code.

    Args:
        aws: The account.
        name: Of the training job.
        follow: Go on until the job has ended.
    """
    logs, ended = aws.boto.client("logs"), not follow
    seen: dict[str, str] = {}
    while True:
        for line in new_lines(logs, name, seen):
            print(line, flush=True)
        if ended:
            break
        time.sleep(aws.launch.limits.poll_seconds)
        described = aws.describe(name)
        # Once more after its end: the last lines come late.
        ended = described is None or "TrainingEndTime" in described
    if not seen:
        found = aws.describe(name) or {}
        state = ", ".join(filter(None, map(found.get, ("TrainingJobStatus", "SecondaryStatus"))))
        say(f"nothing is printed yet: {name} is {state or 'not started'}", error=True)
    return 0

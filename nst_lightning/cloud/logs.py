"""What jobs print, from CloudWatch, and where AWS's console shows them."""

import time
from collections.abc import Iterator
from typing import Any

from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.aws_errors import explained

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


class JobLog:
    """The log of one job, on all the instances that it has had.

    Args:
        aws: The account.
        name: Of the training job.
    """

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws, self._name = aws, name
        self._client: Any = aws.boto.client("logs")
        self._seen: dict[str, str] = {}  # stream -> where its next page begins

    def lines(self) -> Iterator[str]:
        """Yield the lines that were not yielded before; none where there is no log yet."""
        with explained(f"the log of {self._name}"):
            try:
                pages = self._client.get_paginator("describe_log_streams").paginate(
                    logGroupName=_GROUP, logStreamNamePrefix=f"{self._name}/"
                )
                # Named after the instance's start: the order is that of time.
                streams = [item["logStreamName"] for page in pages for item in page["logStreams"]]
            except self._client.exceptions.ResourceNotFoundException:
                return
            for stream in streams:
                while True:
                    after = {"nextToken": self._seen[stream]} if stream in self._seen else {}
                    page = self._client.get_log_events(
                        logGroupName=_GROUP, logStreamName=stream, startFromHead=True, **after
                    )
                    yield from (event["message"] for event in page["events"])
                    if page["nextForwardToken"] == self._seen.get(stream):
                        break  # AWS answers with the same place where there is no more yet
                    self._seen[stream] = page["nextForwardToken"]


def print_log(aws: Aws, name: str, follow: bool) -> int:
    """Print a job's log; return the exit code.

    Args:
        aws: The account.
        name: Of the training job.
        follow: Go on until the job has ended.
    """
    log, ended = JobLog(aws, name), not follow
    while True:
        for line in log.lines():
            print(line, flush=True)
        if ended:
            return 0
        time.sleep(aws.launch.limits.poll_seconds)
        described = aws.describe(name)
        # Once more after its end: the last lines come late.
        ended = described is None or "TrainingEndTime" in described

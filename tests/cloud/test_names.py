"""Names that AWS takes, the same for the same work."""

import re

import pytest

from nst_lightning.cloud.names import MAXIMUM_JOB_NAME, check_launch_name, job_name
from nst_lightning.errors import InputError
from nst_lightning.options import digest


@pytest.mark.parametrize("key", ["cat--klimt", "ein Kätzchen--海", "x" * 200 + "--y", "---"])
def test_job_names_are_what_aws_allows(key: str) -> None:
    name = job_name("a" * 24, key, digest(key)[:10], 12)
    assert len(name) <= MAXIMUM_JOB_NAME
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
    assert name == job_name("a" * 24, key, digest(key)[:10], 12)
    assert name != job_name("a" * 24, key, digest(key)[:10], 13)


@pytest.mark.parametrize("name", ["x" * 25, "with space", "-begins", "ends-", "ü", ""])
def test_a_launch_that_no_job_can_be_named_after_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="name: "):
        check_launch_name(name)

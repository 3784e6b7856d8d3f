"""What boto3's errors mean for a launch."""

import contextlib
from collections.abc import Iterator

from nst_lightning.cloud.calls import TryAgainError
from nst_lightning.errors import InputError

_BUSY = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
_BUSY |= {"ServiceUnavailable", "InternalFailure", "InternalServerError", "SlowDown", "503", "500"}
_CREDENTIALS = {
    "ExpiredToken": "your credentials have expired; sign in again (aws sso login, or new keys)",
    "ExpiredTokenException": "your credentials have expired; sign in again (aws sso login)",
    "InvalidClientTokenId": "AWS does not know your access key; check your credentials",
    "UnrecognizedClientException": "AWS does not know your access key; check your credentials",
    "SignatureDoesNotMatch": "your secret key is wrong; check your credentials",
    "InvalidAccessKeyId": "AWS does not know your access key; check your credentials",
}


class QuotaError(Exception):
    """The account may not run more instances of this kind at once."""


class NameInUseError(Exception):
    """A training job of that name was there before."""


class JobNotFoundError(Exception):
    """SageMaker knows no job of that name."""


class JobEndedError(Exception):
    """The job has ended already."""


@contextlib.contextmanager
def explained(what: str, passing: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn what boto3 raises into what the launcher can act on.

    Args:
        what: Named in the message.
        passing: Error codes that go through as they are.
    """
    from botocore import exceptions as boto

    try:
        yield
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise InputError(
            "there are no AWS credentials; sign in (aws configure, or aws sso login), or set "
            "aws.profile"
        ) from error
    except (boto.TokenRetrievalError, boto.SSOError, boto.CredentialRetrievalError) as error:
        raise InputError(f"your AWS credentials cannot be used: {error}; sign in again") from error
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise TryAgainError(f"AWS cannot be reached: {error}") from error
    except boto.ParamValidationError as error:
        raise InputError(f"{what}: AWS would refuse the request: {error}") from error
    except boto.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in passing:
            raise
        raise _meaning(code, error.response["Error"].get("Message", ""), what) from error


def _meaning(code: str, message: str, what: str) -> Exception:
    if code in _BUSY:
        return TryAgainError(f"{what}: AWS is too busy: {message}")
    if code in _CREDENTIALS:
        return InputError(_CREDENTIALS[code])
    if code == "ResourceInUse":
        return NameInUseError(message)
    if code == "ResourceLimitExceeded":
        return QuotaError(message)
    if code in ("ResourceNotFound", "ValidationException") and "not found" in message.lower():
        return JobNotFoundError(message)
    if "already exists" in message or "must be unique" in message:
        return NameInUseError(message)
    if "is in status" in message or "cannot be stopped" in message:
        return JobEndedError(message)
    if code in ("AccessDenied", "AccessDeniedException", "403"):
        return InputError(f"{what}: AWS does not allow it: {message}; see docs/sagemaker.md")
    return InputError(f"{what}: AWS answers {code}: {message}")

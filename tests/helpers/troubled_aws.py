"""The stand-in for AWS with a log of what was asked of it, and with AWS's own troubles."""

import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from nst_lightning.cloud.rehearsal.server import TARGET, FakeAws
from nst_lightning.cloud.rehearsal.service import ServiceError, TrainingService

Fault = Callable[[str], ServiceError | None]


class TroubledAws(FakeAws):
    """A stand-in that answers with errors where a test wants them.

    Attributes:
        fault: Given the name of every SageMaker call; an error that it returns is the answer.
        service_fault: The same for every other service, given the service's name.
        calls: When each call came, and its name, that of another service than SageMaker before it.
    """

    def __init__(self, service: TrainingService) -> None:
        super().__init__(service)
        self.fault: Fault | None = None
        self.service_fault: Fault | None = None
        self.calls: list[tuple[float, str]] = []

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        what = target.partition(".")[2] or environ["REQUEST_METHOD"]
        if not target.startswith(TARGET):
            signed = environ.get("HTTP_AUTHORIZATION", "").partition("/aws4_request")[0]
            service = signed.rpartition("/")[2]
            what = f"{service} {what}"
            if self.service_fault and (refused := self.service_fault(service)):
                return _refusal(refused, start_response)
        self.calls.append((time.monotonic(), what))
        return super().answer(environ, start_response)

    def call(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        if self.fault and (error := self.fault(action)):
            raise error
        return super().call(action, request)


def _refusal(error: ServiceError, start_response: StartResponse) -> list[bytes]:
    body = (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{error.code}</Code><Message>{error.message}</Message></Error></ErrorResponse>"
    ).encode()
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
    start_response(f"{error.status} Forbidden", headers)
    return [body]

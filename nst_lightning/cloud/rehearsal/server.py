"""AWS over HTTP on the loopback: moto, with our own training jobs in front of it."""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from unittest import mock
from wsgiref.types import StartResponse, WSGIEnvironment

from nst_lightning.cloud.rehearsal.service import ACCOUNT, REGION, ServiceError, TrainingService
from nst_lightning.cloud.rehearsal.tuner import FakeTuner

ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRehearsal"
BUCKET = "rehearsal"

TARGET = "SageMaker."


class FakeAws:
    """A moto server whose training jobs have a life cycle.

    Args:
        service: Keeps the jobs.
    """

    def __init__(self, service: TrainingService) -> None:
        self.service = service
        self.tuner = FakeTuner(service)
        self.url = ""
        self._moto: Any = None
        self._server: Any = None

    def start(self) -> str:
        """Start serving on a free port of the loopback; return the address."""
        from moto.moto_api._internal.models import moto_api_backend
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        moto_api_backend.reset()  # it keeps one state a process
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self.answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self.url

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def environ(self) -> dict[str, str]:
        """Return the environment that points every AWS client at this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def prepare(self, bucket: str = BUCKET, role: str = ROLE, region: str = REGION) -> None:
        """Make the bucket and the role that a launch needs."""
        import boto3

        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3 = boto3.client("s3", region_name=region)
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else where))
        iam = boto3.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            principal = {"Principal": {"Service": "sagemaker.amazonaws.com"}}
            policy = {"Statement": [principal | {"Effect": "Allow", "Action": "sts:AssumeRole"}]}
            iam.create_role(
                RoleName=role.split("/")[-1],
                Path=f"/{role.split(':role/')[-1]}".rpartition("/")[0] + "/",
                AssumeRolePolicyDocument=json.dumps(policy),
            )

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request: SageMaker's here, all others by moto."""
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith(TARGET):
            answer: Iterable[bytes] = self._moto(environ, start_response)
            return answer
        action = target.removeprefix(TARGET)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        request = json.loads(environ["wsgi.input"].read(length) or b"{}")
        try:
            if self.service.broken is not None:
                raise self.service.broken
            body, status = self.call(action, request), "200 OK"
        except ServiceError as error:
            body = {"__type": error.code, "message": error.message}
            status = f"{error.status} Bad Request"
        except Exception as error:
            self.service.broken = error
            text = f"a fault of the rehearsal: {type(error).__name__}: {error}"
            body, status = {"__type": "RehearsalFault", "message": text}, "400 Bad Request"
        data = json.dumps(body, default=str).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        start_response(status, [*headers, ("Content-Length", str(len(data)))])
        return [data]

    def call(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a call of SageMaker.

        Raises:
            ServiceError: If the answer is one.
        """
        from botocore import xform_name

        for keeper in (self.service, self.tuner):
            if handler := getattr(keeper, xform_name(action), None):
                answer: dict[str, Any] = handler(request)
                return answer
        raise ServiceError("UnknownOperationException", f"{action} is not rehearsed")


@contextlib.contextmanager
def pointed_at(aws: FakeAws) -> Iterator[None]:
    """Point every AWS client that is made in this process at a running server."""
    with mock.patch.dict(os.environ, aws.environ()):
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
            os.environ.pop(name, None)
        yield

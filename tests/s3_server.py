"""A real server of the S3 API (moto's), on the loopback address, that checks every signature."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from prometheus_server import free_port, wait_for

BUCKET = "metrics"
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    key: str
    secret: str
    client: Any

    def put(self, **objects: bytes) -> None:
        """Store objects in `BUCKET`; names may be any text, given as ``**{key: bytes}``."""
        for name, body in objects.items():
            self.client.put_object(Bucket=BUCKET, Key=name, Body=body)

    def empty(self) -> None:
        """Remove all objects."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        for one in found:
            self.client.delete_object(Bucket=BUCKET, Key=one["Key"])


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run the server with one bucket and one identity that may use it; it ends with the block."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"{endpoint}/moto-api/", running)
        key, secret = _identity(endpoint)
        # From here on, every request must be signed by an identity that may do what it asks.
        no_more = urllib.request.Request(
            f"{endpoint}/moto-api/reset-auth", b"0", {"Content-Type": "application/octet-stream"}
        )
        with urllib.request.urlopen(no_more, timeout=10):
            pass
        client = _client("s3", endpoint, key, secret)
        client.create_bucket(Bucket=BUCKET)
        yield S3Server(endpoint, key, secret, client)
    finally:
        running.terminate()
        running.wait(20)


def _identity(endpoint: str) -> tuple[str, str]:
    iam = _client("iam", endpoint, "none", "none")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(_ALL))
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def _client(service: str, endpoint: str, key: str, secret: str) -> Any:
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )

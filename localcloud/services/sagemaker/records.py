"""What the runner remembers, and how it copies to and from S3."""

import json
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore import xform_name
from botocore.config import Config

from localcloud import paths
from localcloud.services import Refused
from localcloud.services.supervisor import EMULATOR, REGION

Json = dict[str, Any]

ACCOUNT = "000000000000"  # the emulator's, where the credentials name no other
# One thread: events go out in their order, and nobody waits for them.
_announcer = ThreadPoolExecutor(1)
BUSY = ("InProgress", "Stopping", "Creating", "Updating")


# Kind of record -> what SageMaker says where it has none of an ARN.
KINDS = {
    "TrainingJob": "Requested resource not found.",
    "ModelPackageGroup": "ModelPackageGroup {} does not exist.",
    "ModelPackage": "ModelPackage {} does not exist.",
    "Model": 'Could not find model "{}".',
    "EndpointConfig": 'Could not find endpoint configuration "{}".',
    "Endpoint": 'Could not find endpoint "{}".',
}


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{xform_name(kind, '-')}/{name}"


class Records:
    """Kind -> name -> record, which has the fields that Describe answers; and `tags` by ARN.

    One file, replaced whole at each change. Whoever changes several fields, or reads what others change, holds `lock`.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.lock = file, threading.RLock()
        kept = json.loads(file.read_text()) if file.exists() else {}
        self.kinds: dict[str, dict[str, Json]] = {kind: kept.get(kind, {}) for kind in (*KINDS, "tags")}

    @contextmanager
    def changing(self) -> Generator[None]:
        """Hold the lock, and save at the end what was changed."""
        with self.lock:
            yield
            self.file.parent.mkdir(parents=True, exist_ok=True)
            partial = self.file.with_suffix(".new")
            partial.write_text(json.dumps(self.kinds))
            partial.replace(self.file)

    def get(self, kind: str, name: str) -> Json:
        """The record of that name or ARN. Raises Refused where there is none, as SageMaker does."""
        name = name.removeprefix(arn(kind, ""))
        if name not in self.kinds[kind]:
            raise Refused("ValidationException", KINDS[kind].format(arn(kind, name)))
        return self.kinds[kind][name]


def now() -> float:
    """Seconds, as SageMaker's protocol has times."""
    return round(time.time(), 3)


def announce(kind: str, record: Json) -> None:
    """Publish the event `SageMaker Training Job State Change`, or that of another kind, with the record as detail."""
    title = xform_name(kind, " ").title()
    detail = {key: value for key, value in record.items() if not key.startswith("_")}
    entry = {
        "Source": "aws.sagemaker",
        "DetailType": f"SageMaker {title} State Change",
        "Detail": json.dumps(_milliseconds(detail)),
        "Resources": [record[f"{kind}Arn"]],
    }
    _announcer.submit(_publish, json.dumps({"Entries": [entry]}).encode())


def _publish(entries: bytes) -> None:
    try:
        urllib.request.urlopen(f"{EMULATOR.url}/_tandem/events", entries, timeout=10).close()  # noqa: S310 - loopback
    except OSError as error:
        logging.warning("not published: %s", error)


def _milliseconds(value: Any, key: str = "") -> Any:
    """Times as events have them."""
    if isinstance(value, dict):
        return {name: _milliseconds(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_milliseconds(item) for item in value]
    return round(value * 1000) if key.endswith("Time") else value


@cache
def client(service: str) -> Any:
    """A client of the emulator, with the root's credentials from the environment, patient while that starts anew."""
    retries = Config(retries={"mode": "standard", "max_attempts": 8})
    return boto3.client(service, region_name=REGION, config=retries)


def bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def download(uri: str, folder: Path) -> int:
    """Copy what lies below an S3 prefix into the folder, and return how many objects that were."""
    bucket, prefix = bucket_and_key(uri)
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for key in (item["Key"] for item in page.get("Contents", []) if not item["Key"].endswith("/")):
            # A prefix need not end at a slash: `a/b` holds `a/b/c` as c, and `a/bc` as bc.
            inside = key.startswith(f"{prefix.rstrip('/')}/")
            file = folder / (key[len(prefix) :].lstrip("/") if inside else key[prefix.rfind("/") + 1 :])
            file.parent.mkdir(parents=True, exist_ok=True)
            client("s3").download_file(bucket, key, str(file))
            count += 1
    return count


class Mirror:
    """Keeps an S3 prefix as a folder is: new and changed files are copied, deleted ones deleted.

    Folders of several hosts may share a prefix, and then `writers`: key -> the mirror that copied it last. Each deletes
    what it fetched or copied and no longer has, unless another has copied that since.
    """

    def __init__(self, folder: Path, uri: str, writers: "dict[str, Mirror] | None" = None) -> None:
        self.folder, self.seen = folder, {}
        self.writers = {} if writers is None else writers
        self.bucket, prefix = bucket_and_key(uri)
        self.prefix = f"{prefix.rstrip('/')}/"

    def fetch(self) -> None:
        """Begin with what S3 has."""
        download(f"s3://{self.bucket}/{self.prefix}", self.folder)
        self.seen = self._files()

    def push(self) -> None:
        """Copy the oldest first: a file written last, to say that the others are whole, is never there before them.

        A file that is written while it is copied is left, with those after it, to the next time.
        """
        found = self._files()
        for file in sorted(found, key=lambda each: found[each][0]):
            if self.seen.get(file) != found[file] and file.exists():
                try:
                    client("s3").upload_file(str(file), self.bucket, self._key(file))
                except S3UploadFailedError:  # its digest was made of something else
                    if self._files().get(file) == found[file]:
                        raise
                    return
                self.seen[file] = found[file]
                self.writers[self._key(file)] = self
        for file in self.seen.keys() - found.keys():
            if self.writers.get(self._key(file), self) is self:
                client("s3").delete_object(Bucket=self.bucket, Key=self._key(file))
            del self.seen[file]

    def _key(self, file: Path) -> str:
        return self.prefix + file.relative_to(self.folder).as_posix()

    def _files(self) -> dict[Path, tuple[int, int]]:
        """File -> time of its last change, size."""
        found = {}
        for file in self.folder.rglob("*"):
            try:
                about = file.stat()
            except FileNotFoundError:  # replaced or deleted meanwhile
                continue
            if file.is_file():
                found[file] = (about.st_mtime_ns, about.st_size)
        return found


def training_python() -> Path:
    """The Python with torch. Raises Refused where there is none."""
    for folder in (paths.HOME, paths.TOOLS):
        if os.access(python := folder / "training" / "bin" / "python", os.X_OK):
            return python
    missing = f"The environment for training and serving models, {paths.TOOLS / 'training'}, is missing"
    raise Refused("ClientError", f"{missing}: run make .tandem/training/.ready.")

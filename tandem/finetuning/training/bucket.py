"""Folders in S3, for training on a cluster, where nobody but us copies files in and out."""

import functools
import os
from pathlib import Path
from typing import Any

from . import models


class Prefix:
    """A folder in S3; names of files are relative to it."""

    def __init__(self, address: str, s3: Any = None) -> None:
        """`address` is `s3://BUCKET/FOLDER/`."""
        self.address = address if address.endswith("/") else f"{address}/"
        self._bucket, _, self._key = self.address.removeprefix("s3://").partition("/")
        self._s3 = s3 or _client()

    def within(self, name: str) -> "Prefix":
        """A folder beside or below it: `model`, `../logs`."""
        return Prefix(f"s3://{self._bucket}/{os.path.normpath(self._key + name)}", self._s3)

    def files(self) -> dict[str, int]:
        """All files below it with their sizes."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._key)
        found = (each for page in pages for each in page.get("Contents", ()))
        return {each["Key"].removeprefix(self._key): each["Size"] for each in found if not each["Key"].endswith("/")}

    def read(self, name: str) -> bytes:
        """A small file's content."""
        return self._s3.get_object(Bucket=self._bucket, Key=self._key + name)["Body"].read()

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        self._s3.put_object(Bucket=self._bucket, Key=self._key + name, Body=content)

    def download(self, name: str, to: Path) -> None:
        """Get a file."""
        to.parent.mkdir(parents=True, exist_ok=True)
        self._s3.download_file(self._bucket, self._key + name, str(to))

    def upload(self, file: Path, name: str) -> None:
        """Put a file, which is there whole or not at all."""
        self._s3.upload_file(str(file), self._bucket, self._key + name)

    def delete(self, name: str) -> None:
        """Remove a file; one that isn't there is none the less."""
        self._s3.delete_object(Bucket=self._bucket, Key=self._key + name)


@functools.cache
def _client() -> Any:
    models.need(("boto3",))
    import boto3
    from botocore.config import Config

    return boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))

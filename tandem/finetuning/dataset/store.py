"""Data sets in the dataset bucket, at `datasets/<name>/<version>/`: what has no manifest there is no data set."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

from . import folder as folders
from . import manifest as manifests

PREFIX = "datasets/"
KEY = re.compile(rf"{PREFIX}([^/]+)/([0-9a-f]{{{manifests.VERSION_LENGTH}}})/{re.escape(manifests.FILE)}")
Progress = Callable[[int], None]  # bytes that have gone over the line since the last call


@dataclass(frozen=True, order=True)
class DataSetVersion:
    """A version of a data set in the bucket."""

    name: str
    version: str

    @property
    def prefix(self) -> str:
        """The folder in the bucket, with a slash at the end."""
        return f"{PREFIX}{self.name}/{self.version}/"

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Store:
    """The data sets of a bucket, through a boto3 client. Errors of the service are botocore's."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket

    def upload(self, folder: Path, progress: Progress = lambda _: None) -> tuple[DataSetVersion, bool]:
        """Upload a data set's folder and return its place and whether it is new.

        Files that an interrupted upload has left are not sent again. The manifest goes last: before it the data set
        doesn't exist. Raises `TandemError` for a folder that isn't whole, and for other content at the same place.
        """
        manifest = folders.verify(folder)
        stored = DataSetVersion(manifest["name"], manifests.version(manifest))
        if self._head(stored.prefix + manifests.FILE):
            self.manifest(stored)
            return stored, False
        for split in manifest["splits"].values():
            path, key, sha256 = folder / split["file"], stored.prefix + split["file"], split["sha256"]
            if (head := self._head(key)) and head["Metadata"].get("sha256") == sha256:
                progress(path.stat().st_size)
                continue
            extra = {"Metadata": {"sha256": sha256}, "ContentType": "application/jsonl"}
            self.s3.upload_file(str(path), self.bucket, key, ExtraArgs=extra, Callback=progress)
        data, key = manifests.encoded(manifest), stored.prefix + manifests.FILE
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType="application/json")
        return stored, True

    def data_sets(self) -> list[DataSetVersion]:
        """Return the data sets of the bucket, by name and version."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX)
        keys = (KEY.fullmatch(entry["Key"]) for page in pages for entry in page.get("Contents", []))
        return sorted(DataSetVersion(*key.groups()) for key in keys if key)

    def resolve(self, reference: str) -> DataSetVersion:
        """Return the data set that `name` or `name@version` means; raises `TandemError` unless it is one."""
        name, _, version = reference.partition("@")
        known = self.data_sets()
        found = [stored for stored in known if stored.name == name and version in ("", stored.version)]
        if len(found) == 1:
            return found[0]
        if found:
            raise TandemError(f"{name!r} has {len(found)} versions, name one: {', '.join(map(str, found))}.")
        there = (
            f"it has {', '.join(map(str, known))}" if known else "it has none yet: `tandem dataset import` makes one"
        )
        raise TandemError(f"There is no data set {reference!r} in bucket {self.bucket}; {there}.")

    def manifest(self, stored: DataSetVersion) -> dict[str, Any]:
        """Return the verified manifest of a data set; raises `TandemError` if it is another one's."""
        key = stored.prefix + manifests.FILE
        place = f"s3://{self.bucket}/{key}"
        manifest = manifests.parse(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read(), place)
        if (held := DataSetVersion(manifest["name"], manifests.version(manifest))) != stored:
            raise TandemError(f"{place} is the manifest of {held}: it belongs to {held.prefix}; move it there.")
        return manifest

    def download(self, stored: DataSetVersion, folder: Path, progress: Progress = lambda _: None) -> dict[str, Any]:
        """Fetch a data set into a new or empty folder, verify it and return its manifest."""
        manifest = self.manifest(stored)
        with folders.staged(folder) as inside:
            for split in manifest["splits"].values():
                path, key = inside / split["file"], stored.prefix + split["file"]
                self.s3.download_file(self.bucket, key, str(path), Callback=progress)
            (inside / manifests.FILE).write_bytes(manifests.encoded(manifest))
            return folders.verify(inside)

    def _head(self, key: str) -> dict[str, Any] | None:
        """Return what the bucket knows of an object, None if there is none."""
        from botocore.exceptions import ClientError

        try:
            return self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

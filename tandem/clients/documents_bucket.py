"""Client of a stack's documents bucket, and of the ledger that says what became of each document."""

import hashlib
import mimetypes
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tandem_contract.errors import TandemError

from tandem.clients.pulumi_stack import Stack

if TYPE_CHECKING:
    from tandem.rag.index_version import IndexVersion

ATTRIBUTES = ("status", "version", "chunk_count", "error", "warnings", "updated_at")


KEPT = (
    *("Metadata", "ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl"),
    *("Expires", "StorageClass"),
)
"""What an object has beside its content; a copy has its tags anyway."""


class Stored(NamedTuple):
    """A document in the bucket."""

    document: str
    version: str
    """ETag."""
    size: int
    modified: float
    """When it was written, in Unix seconds."""


class DocumentsBucket:
    """Uploads and deletes documents and reads what the ledger says of them. Threads may share it."""

    def __init__(self, stack: Stack) -> None:
        from tandem.rag.ledger import Ledger

        self.bucket, ledger_table = stack.pick("documentsBucket", "ledgerTable")
        self.s3 = stack.client("s3")
        self.ledger = Ledger(stack.client("dynamodb"), ledger_table)

    def stored_etag(self, key: str) -> str | None:
        """The ETag of the object of that key, None if there is none."""
        from botocore.exceptions import ClientError

        try:
            return self.s3.head_object(Bucket=self.bucket, Key=key)["ETag"].strip('"')
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def upload(self, path: Path, key: str) -> str:
        """Upload a file in one part and return the ETag of the object."""
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        with path.open("rb") as file:
            response = self.s3.put_object(Bucket=self.bucket, Key=key, Body=file, ContentType=content_type)
        return response["ETag"].strip('"')

    def delete(self, key: str) -> None:
        """Delete an object; deleting what isn't there is no error."""
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def touch(self, key: str) -> None:
        """Write an object again as it is, which is an event; nothing if it is gone or changed meanwhile."""
        from botocore.exceptions import ClientError

        try:
            found = self.s3.head_object(Bucket=self.bucket, Key=key)
            kept = {name: found[name] for name in KEPT if name in found}
            source = {"Bucket": self.bucket, "Key": key}
            self.s3.copy_object(
                **source, CopySource=source, CopySourceIfMatch=found["ETag"], MetadataDirective="REPLACE", **kept
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 412):
                raise

    def objects(self) -> "Iterator[Stored]":
        """The documents in the bucket, in the order of S3: by key as UTF-8."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield Stored(
                        entry["Key"], entry["ETag"].strip('"'), entry["Size"], entry["LastModified"].timestamp()
                    )

    @cached_property
    def version(self) -> "IndexVersion":
        """The index version that queries search at present."""
        from tandem.rag.index_version import NO_ACTIVE

        version = self.ledger.active()
        if version is None:
            raise TandemError(f"{NO_ACTIVE}.")
        return version

    def ledger_rows(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The `ATTRIBUTES` of the documents that the ledger knows, by key."""
        rows = self.ledger.attributes(self.version.index, list(keys), ATTRIBUTES)
        return {key: row | {"version": str(row.get("version", "")).strip('"')} for key, row in rows.items()}


def content_etag(path: Path) -> str:
    """The ETag that S3 gives to a one-part object with this content (its MD5, unless a KMS key encrypts it)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

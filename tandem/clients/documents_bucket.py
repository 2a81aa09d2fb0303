"""Client of a stack's documents bucket, and of the ledger that says what became of each document."""

import hashlib
import mimetypes
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

from tandem.clients import aws

ATTRIBUTES = ("status", "version", "chunk_count", "error", "warnings", "updated_at")


class DocumentsBucket:
    """Uploads and deletes documents and reads what the ledger says of them. Threads may share it."""

    def __init__(self, bucket: str, ledger_table: str) -> None:
        from tandem.rag.ledger import Ledger

        self.s3 = aws.client("s3")
        self.ledger = Ledger(aws.client("dynamodb"), ledger_table)
        self.bucket = bucket

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

    @cached_property
    def index(self) -> str:
        """The name of the index that queries search at present."""
        version = self.ledger.active()
        if version is None:
            raise TandemError("The ledger names no active index yet: run `pulumi up` on the stack again.")
        return version.index

    def ledger_rows(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The `ATTRIBUTES` of the documents that the ledger knows, by key."""
        rows = self.ledger.attributes(self.index, list(keys), ATTRIBUTES)
        return {key: row | {"version": str(row.get("version", "")).strip('"')} for key, row in rows.items()}


def content_etag(path: Path) -> str:
    """The ETag that S3 gives to a one-part object with this content (its MD5, unless a KMS key encrypts it)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

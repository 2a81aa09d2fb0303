"""The documents bucket and the ledger of a stack, as the commands see them."""

import hashlib
import mimetypes
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from tandem.cli.errors import CommandError


class Storage:
    """Uploads and deletes documents and reads what the ledger says of them. Its methods may run in threads."""

    def __init__(self, bucket: str, table: str) -> None:
        import boto3
        from botocore.config import Config

        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))  # boto3 itself knows AWS_DEFAULT_REGION only
        config = Config(retries={"mode": "standard", "max_attempts": 6}, max_pool_connections=16)
        self.s3 = session.client("s3", config=config)
        self.dynamodb = session.client("dynamodb", config=config)
        self.bucket = bucket
        self.table = table

    def stored_etag(self, key: str) -> str | None:
        """Return the ETag of the object of that key, None if there is none."""
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
        key = {"pk": {"S": "active"}, "sk": {"S": "active"}}
        item = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
        if not item:
            raise CommandError(f"Ledger {self.table} names no active index: run `pulumi up` on the stack again.")
        return item["index"]["S"]

    def ledger_rows(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the ledger's rows of these documents by key; a document that it doesn't know is left out."""
        names = [{"pk": {"S": f"index#{self.index}"}, "sk": {"S": f"document#{key}"}} for key in keys]
        rows = {}
        for start in range(0, len(names), 100):  # BatchGetItem takes 100
            request: dict[str, Any] = {self.table: {"Keys": names[start : start + 100], "ConsistentRead": True}}
            while request:
                response = self.dynamodb.batch_get_item(RequestItems=request)
                for item in response["Responses"][self.table]:
                    row = {name: next(iter(value.values())) for name, value in item.items()}
                    row["version"] = str(row.get("version") or "").strip('"')
                    rows[row["sk"].removeprefix("document#")] = row
                request = response.get("UnprocessedKeys") or {}
        return rows


def content_etag(path: Path) -> str:
    """Return the ETag that S3 gives to a one-part object with this content (its MD5, unless a KMS key encrypts it)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

"""A dataset bucket in memory, at the level of a boto3 client."""

import hashlib
import io
from pathlib import Path
from typing import ClassVar

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from tests.support.aws_requests import AwsService


class FakeBucket(AwsService):
    """Keeps objects; `room` is how many more it takes before uploads fail. Lists come in pages of two."""

    services: ClassVar[tuple[str, ...]] = ("s3",)

    def __init__(self) -> None:
        self.objects: dict[str, dict] = {}
        self.sent: list[str] = []
        self.room = 1000

    def head_object(self, *, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "HeadObject")
        return {key: value for key, value in self.objects[Key].items() if key != "data"}

    def get_object(self, *, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]["data"])}

    def put_object(self, *, Bucket, Key, Body, ContentType="", Metadata=None):
        assert isinstance(Body, bytes)
        if not self.room:
            raise ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "PutObject")
        self.room -= 1
        self.sent.append(Key.rsplit("/", 1)[-1])
        etag = hashlib.md5(Body, usedforsecurity=False).hexdigest()
        self.objects[Key] = {"Metadata": Metadata or {}, "ContentLength": len(Body), "ETag": etag, "data": Body}

    def upload_file(self, filename, bucket, key, *, ExtraArgs, Callback):
        data = Path(filename).read_bytes()
        try:
            self.put_object(Bucket=bucket, Key=key, Body=data, **ExtraArgs)
        except ClientError as error:
            raise S3UploadFailedError(f"Failed to upload {filename}: {error}") from error
        Callback(len(data))

    def download_file(self, bucket, key, filename, *, Callback):
        Path(filename).write_bytes(self.objects[key]["data"])
        Callback(self.objects[key]["ContentLength"])

    def list_objects_v2(self, *, Bucket, Prefix="", Delimiter=None, ContinuationToken="0"):
        inside = [key for key in sorted(self.objects) if key.startswith(Prefix)]
        if Delimiter:
            folders = sorted({key.removeprefix(Prefix).partition(Delimiter)[0] for key in inside})
            return {"CommonPrefixes": [{"Prefix": f"{Prefix}{folder}{Delimiter}"} for folder in folders]}
        return listed([{"Key": key} for key in inside], ContinuationToken)


def listed(found: list[dict], token: str, size: int = 2) -> dict:
    """The page of a listing that begins at a token."""
    start, more = int(token), len(found) > int(token) + size
    page = {"Contents": found[start : start + size]} if found else {}  # S3 leaves out what is empty
    return page | {"IsTruncated": more} | ({"NextContinuationToken": str(start + size)} if more else {})

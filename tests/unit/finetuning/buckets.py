"""A dataset bucket in memory, at the level of a boto3 client."""

import hashlib
import io
from pathlib import Path

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError


class FakeBucket:
    """Keeps objects; `room` is how many more it takes before uploads fail."""

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

    def get_paginator(self, operation):
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket, Prefix, Delimiter=None):
        if Delimiter:
            inside = (key.removeprefix(Prefix) for key in self.objects if key.startswith(Prefix))
            folders = sorted({key.partition(Delimiter)[0] for key in inside})
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{folder}{Delimiter}"} for folder in folders]}
            return
        keys = [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]
        yield from ({"Contents": keys[at : at + 2]} for at in range(0, len(keys), 2))
        yield {}

"""A Pod's files, those of its checkpoints, and S3 in memory."""

import io
from pathlib import Path

from botocore.exceptions import ClientError

from tandem.finetuning.training import bucket, checkpoints, mirror
from tests.support.aws_requests import AwsService
from tests.unit.finetuning.buckets import listed

HOSTS = ("host-0", "host-1")
IDENTITY = {"recipe_digest": "r"}
CHANNELS = {"dataset": "s3://datasets/datasets/faq/0123/", "recipe": "s3://artifacts/runs/faq/recipe/"}
KEPT, JOB = "artifacts/runs/faq/checkpoints", "artifacts/runs/faq/jobs/faq-train-1"


class FakeS3(AwsService):
    """Objects by bucket and key; `refuse` names those that can't be written. A listing has one on a page."""

    services = ("s3",)

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.refuse = ""

    def list_objects_v2(self, *, Bucket, Prefix, ContinuationToken="0"):
        found = [key for key in sorted(self.objects) if key.startswith(f"{Bucket}/{Prefix}")]
        entries = [{"Key": key.partition("/")[2], "Size": len(self.objects[key])} for key in found]
        return listed(entries, ContinuationToken, 1)

    def get_object(self, *, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}

    def put_object(self, *, Bucket, Key, Body):
        key = f"{Bucket}/{Key}"
        if self.refuse and self.refuse in key:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
        self.sent.append(key)
        self.objects[key] = Body

    def download_file(self, bucket, key, to):
        Path(to).write_bytes(self.objects[f"{bucket}/{key}"])

    def upload_file(self, file, bucket, key):
        self.put_object(Bucket=bucket, Key=key, Body=Path(file).read_bytes())

    def delete_object(self, *, Bucket, Key):
        self.objects.pop(f"{Bucket}/{Key}", None)


def checkpoint(folder: Path, step: int, hosts=HOSTS, mark=True) -> Path:
    """What these hosts leave of a checkpoint of all."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True, exist_ok=True)
    for host in hosts:
        (path / f"{host}.distcp").write_text(f"shard of {host} after {step}")
        checkpoints.mark_host(path, host, [f"{host}.distcp"])
    if mark:
        checkpoints.mark(path, IDENTITY, HOSTS, len(HOSTS))
    return path


def stored(s3, step: int, tmp_path: Path, **which) -> None:
    """Have a checkpoint in S3."""
    for file in checkpoint(tmp_path / "made", step, **which).iterdir():
        s3.objects[f"{KEPT}/checkpoint-{step}/{file.name}"] = file.read_bytes()


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def copies(layout) -> mirror.Mirror:
    return mirror.Mirror(layout, bucket.Prefix(f"s3://{KEPT}/"), bucket.Prefix(f"s3://{JOB}/output/"))

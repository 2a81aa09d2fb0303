"""Kinesis: streams and their consumers."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from .inputs import number

SERVICE = "AmazonKinesis"
STREAM = "aws:kinesis/stream:Stream"
DAY = 24  # hours that a record is kept without bill


def stream(resource: Resource, bill: Bill) -> None:
    """A stream bills by the hour: each shard, or itself on demand; and for what goes through it."""
    if on_demand(resource):
        bill.hours("stream, on demand", SERVICE, "on-demand:hours")
        rates = [f"{verb} bills {bill.rate(SERVICE, f'on-demand:{way}')}" for verb, way in _WAYS.items()]
        bill.note(f"what {' and what '.join(rates)}")
    else:
        shards = number(resource, "shardCount")
        bill.hours(f"{shards:f} shards", SERVICE, "shard:hours", shards)
        bill.note(f"what is put, in units of 25 KB, bills {bill.rate(SERVICE, 'shard:put-units')}")
    kept = number(resource, "retentionPeriod", DAY)
    if kept > DAY:
        bill.not_priced(f"records kept for {kept:f} hours: beyond {DAY} they bill, and there is no row", Number.IDLE)
    if resource.shown("warmThroughputMibPs") is not None:
        bill.not_priced("throughput that is kept warm: there is no row for it", Number.IDLE)


_WAYS = {"is put": "in", "is read": "out"}


def on_demand(resource: Resource) -> bool:
    """Whether a stream has no shards of its own."""
    return bool(resource.get("streamModeDetails.streamMode", "PROVISIONED") == "ON_DEMAND")


def consumer(resource: Resource, bill: Bill) -> None:
    """A consumer with throughput of its own (enhanced fan-out) bills for each shard of its stream."""
    of = resource.source("streamArn", STREAM)
    if of is None:
        bill.not_priced("its hours, one for each shard: its stream isn't in this preview", Number.IDLE)
    elif on_demand(of):
        bill.not_priced("GB that it reads of a stream on demand: there is no row for them", Number.QUERIES)
    else:
        shards = number(of, "shardCount")
        bill.hours(f"consumer of {shards:f} shards", SERVICE, "fan-out:hours", shards)
        bill.note(f"what it reads bills {bill.rate(SERVICE, 'fan-out:data')}")


PRICERS: dict[str, Pricer] = {
    STREAM: stream,
    "aws:kinesis/streamConsumer:StreamConsumer": consumer,
}

INPUTS: dict[str, Inputs] = {
    STREAM: Inputs(
        "streamModeDetails.streamMode shardCount retentionPeriod warmThroughputMibPs",
        {
            NAMES: "name arn",
            ACCESS: "encryptionType kmsKeyId",
            LIFE: "enforceConsumerDeletion",
            BEHAVIOUR: "maxRecordSizeInKib",
        },
        {"metrics of shards bill as metrics of one's own": "shardLevelMetrics[]"},
    ),
    "aws:kinesis/streamConsumer:StreamConsumer": Inputs(free={NAMES: "name", PLACE: "streamArn"}),
}

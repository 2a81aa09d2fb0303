"""AWS price list: the exact query of each price row's key, and how its unit and AWS's convert.

What is asked for is the usage type, the name under which AWS bills: `USE1-Train:ml.g5.xlarge`. It is the one attribute
that nearly every product has and that means one thing; product families are missing from most. A key whose usage type
nobody has seen in the price list has no query: a wrong one answers nothing, and its row would be deleted.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

HOME = "us-east-1"
"""The region whose table has the keys that every other is asked about; its usage types may begin with no region."""
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_SHORT = re.compile(r"([A-Z]{3}\d|EU)-")  # USW2, APS2; EU is Ireland's oldest
_PROFILES = {"us": re.compile(r"us-(east|west)-\d"), "eu": re.compile(r"eu-.*")}


@dataclass(frozen=True)
class Query:
    """One kind of key; `{}` is what `*` stands for in the key, `{prefix}` the region's prefix."""

    usage: str
    """Usage type without the region's prefix; alternatives, of which all have one price, separated by a bar."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Further attributes, where a usage type has products at several prices."""
    service_code: str = ""
    """The price list's service code where it isn't the row's."""
    region_field: str = "regionCode"
    """Attribute that has the region; empty where only the usage type's prefix tells."""


class Question(NamedTuple):
    """A query about one key in one region, as `get_products` takes it."""

    service_code: str
    usage_types: tuple[str, ...]
    filters: tuple[Mapping[str, str], ...]


_LINUX = {"operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Shared", "capacitystatus": "Used"}
_ALB = {"operation": "LoadBalancing:Application"}
_NLB = {"operation": "LoadBalancing:Network"}

QUERIES: dict[tuple[str, str], Query] = {
    ("AmazonSageMaker", "training:ml.*"): Query("Train:ml.{}"),
    ("AmazonSageMaker", "hosting:ml.*"): Query("Host:ml.{}"),
    ("AmazonSageMaker", "notebook:ml.*"): Query("Notebk:ml.{}"),
    ("AmazonSageMaker", "storage:studio"): Query("Studio:VolumeUsage.gp3"),
    ("AmazonSageMaker", "storage:notebook"): Query("Notebk:VolumeUsage.gp2"),
    ("AmazonEC2", "ondemand:*"): Query("BoxUsage:{}", _LINUX),
    # Beside these are Regional- and Prvd- ones, at 0.00 a GB and 1.076 a Gbps-hour: other usage types.
    ("AmazonEC2", "nat:hours"): Query("NatGateway-Hours"),
    ("AmazonEC2", "nat:data"): Query("NatGateway-Bytes"),
    ("AmazonEC2", "ebs:gp3:storage"): Query("EBS:VolumeUsage.gp3"),
    ("AmazonEC2", "ebs:gp3:iops"): Query("EBS:VolumeP-IOPS.gp3"),
    ("AmazonEC2", "ebs:gp3:throughput"): Query("EBS:VolumeP-Throughput.gp3"),
    ("AmazonEC2", "ebs:gp2:storage"): Query("EBS:VolumeUsage.gp2"),
    ("AmazonES", "ondemand:*.search"): Query("ESInstance:{}", {"instanceType": "{}.search"}),
    ("AmazonES", "storage:gp3"): Query("ES:GP3-Storage"),
    ("AmazonES", "storage:gp2"): Query("ES:GP2-Storage"),
    ("AmazonES", "storage:serverless"): Query("StorageUsedInS3ByteHour"),
    ("AmazonES", "ocu:classic"): Query("SearchOCU|IndexingOCU"),
    ("AmazonS3", "storage:standard"): Query("TimedStorage-ByteHrs"),
    ("AmazonS3", "requests:put"): Query("Requests-Tier1"),
    ("AmazonS3", "requests:get"): Query("Requests-Tier2"),
    ("AWSLambda", "requests"): Query("Request"),
    ("AWSLambda", "duration:x86"): Query("Lambda-GB-Second"),
    ("AWSLambda", "duration:arm64"): Query("Lambda-GB-Second-ARM"),
    ("AWSLambda", "provisioned:x86"): Query("Lambda-Provisioned-Concurrency"),
    ("AWSLambda", "provisioned:arm64"): Query("Lambda-Provisioned-Concurrency-ARM"),
    ("AmazonApiGateway", "requests:http"): Query("ApiGatewayHttpRequest"),
    ("AmazonApiGateway", "requests:rest"): Query("ApiGatewayRequest"),
    ("AmazonDynamoDB", "reads:ondemand"): Query("ReadRequestUnits"),
    ("AmazonDynamoDB", "writes:ondemand"): Query("WriteRequestUnits"),
    ("AmazonDynamoDB", "storage:standard"): Query("TimedStorage-ByteHrs"),
    ("AmazonDynamoDB", "storage:point-in-time"): Query("TimedPITRStorage-ByteHrs"),
    ("AmazonCloudWatch", "logs:ingestion"): Query("DataProcessing-Bytes", {"operation": "PutLogEvents"}),
    ("AmazonCloudWatch", "logs:storage"): Query("TimedStorage-ByteHrs"),
    ("AmazonCloudWatch", "logs:insights"): Query("DataScanned-Bytes"),
    ("AmazonCloudWatch", "alarm:standard"): Query("CW:AlarmMonitorUsage"),
    ("AmazonCloudWatch", "alarm:high-resolution"): Query("CW:HighResAlarmMonitorUsage"),
    ("AmazonCloudWatch", "alarm:composite"): Query("CW:CompositeAlarmMonitorUsage"),
    ("AmazonCloudWatch", "metric:custom"): Query("CW:MetricMonitorUsage"),
    ("AmazonCloudWatch", "dashboard"): Query("DashboardsUsageHour-Basic", region_field=""),  # sold for all regions
    ("AmazonEKS", "cluster:standard"): Query("AmazonEKS-Hours:perCluster"),
    ("AmazonEKS", "cluster:extended-surcharge"): Query("AmazonEKS-Hours:extendedSupport"),
    ("AmazonVPC", "endpoint:hours"): Query("VpcEndpoint-Hours"),
    ("AmazonVPC", "endpoint:data"): Query("VpcEndpoint-Bytes"),
    ("AmazonVPC", "ipv4:hours"): Query("PublicIPv4:InUseAddress"),
    ("AWSELB", "alb:hours"): Query("LoadBalancerUsage", _ALB),
    ("AWSELB", "alb:lcu"): Query("LCUUsage", _ALB),
    ("AWSELB", "nlb:hours"): Query("LoadBalancerUsage", _NLB),
    ("AWSELB", "nlb:lcu"): Query("LCUUsage", _NLB),
    ("AmazonECS", "fargate:x86:vcpu"): Query("Fargate-vCPU-Hours:perCPU"),
    ("AmazonECS", "fargate:x86:memory"): Query("Fargate-GB-Hours"),
    ("AmazonECS", "fargate:arm64:vcpu"): Query("Fargate-ARM-vCPU-Hours:perCPU"),
    ("AmazonECS", "fargate:arm64:memory"): Query("Fargate-ARM-GB-Hours"),
    ("AmazonECS", "fargate:storage"): Query("Fargate-EphemeralStorage-GB-Hours"),
    ("AWSDataTransfer", "egress:internet"): Query("DataTransfer-Out-Bytes", region_field=""),
    ("AWSDataTransfer", "inter-az:each-direction"): Query("DataTransfer-Regional-Bytes", region_field=""),
    ("awskms", "key"): Query("KMS-Keys"),
    ("awskms", "requests:symmetric"): Query("KMS-Requests"),
    ("AWSSecretsManager", "secret"): Query("AWSSecretsManager-Secrets|AWSSecretsManager-Secret"),
    ("AWSSecretsManager", "requests"): Query("AWSSecretsManagerAPIRequest|AWSSecretsManager-APIRequests"),
    ("AWSQueueService", "requests:standard"): Query("Requests-RBP|Requests-Tier1"),
    ("AWSQueueService", "requests:fifo"): Query("Requests-FIFO-RBP|Requests-FIFO-Tier1"),
    ("AmazonECR", "storage:private"): Query("TimedStorage-ByteHrs"),
}
"""Service and key of a row (`*`: any text) -> its query."""

# Written down and not derived: AWS spells models as it likes, and a guess would price another one.
_AMAZON = {
    "amazon.nova-micro-v1:0": "NovaMicro",
    "amazon.nova-lite-v1:0": "NovaLite",
    "amazon.nova-pro-v1:0": "NovaPro",
    "us.amazon.nova-2-lite-v1:0": "Nova2.0Lite",
    "eu.amazon.nova-2-lite-v1:0": "Nova2.0Lite",
}
for _model, _name in _AMAZON.items():
    QUERIES |= {
        ("AmazonBedrock", f"input:{_model}"): Query(f"{_name}-input-tokens"),
        ("AmazonBedrock", f"output:{_model}"): Query(f"{_name}-output-tokens"),
        ("AmazonBedrock", f"cached-input:{_model}"): Query(f"{_name}-cache-read-input-token-count"),
    }
for _key, _usage in {
    "input:global.amazon.nova-2-lite-v1:0": "Nova2.0Lite-input-tokens-cross-region-global",
    "output:global.amazon.nova-2-lite-v1:0": "Nova2.0Lite-output-tokens-cross-region-global",
    "input:amazon.titan-embed-text-v1": "TitanEmbeddingsG1-Text-input-tokens",
    "input:amazon.titan-embed-text-v2:0": "TitanEmbeddingV2-Text-input-tokens",
    "input:meta.llama3-3-70b-instruct-v1:0": "Llama3-3-70B-input-tokens",
    "output:meta.llama3-3-70b-instruct-v1:0": "Llama3-3-70B-output-tokens",
}.items():
    QUERIES["AmazonBedrock", _key] = Query(_usage)

_ANTHROPIC = {
    "anthropic.claude-haiku-4-5-20251001-v1:0": "Claude Haiku 4.5",
    "anthropic.claude-sonnet-4-5-20250929-v1:0": "Claude Sonnet 4.5",
    "anthropic.claude-sonnet-5-5": "Claude Sonnet 5.5",
    "anthropic.claude-opus-5-5": "Claude Opus 5.5",
}
# Older models have the first name, newer ones the second; all of them share these, so that the model must be asked for.
_COUNTS = {
    "input": ("InputTokenCount", "input_tokens"),
    "output": ("OutputTokenCount", "output_tokens"),
    "cached-input": ("CacheReadInputTokenCount", "cache_read_tokens"),
}
for _model, _name in _ANTHROPIC.items():
    _where = {"servicename": f"{_name} (Amazon Bedrock Edition)"}
    for _kind, (_older, _newer) in _COUNTS.items():
        for _profile, _old_end, _new_end in (("us", "", ""), ("eu", "", ""), ("global", "_Global", "_global")):
            QUERIES["AmazonBedrock", f"{_kind}:{_profile}.{_model}"] = Query(
                f"MP:{{prefix}}_{_older}{_old_end}-Units|MP:{{prefix}}_{_newer}{_new_end}_standard-Units",
                _where,
                "AmazonBedrockFoundationModels",
            )

_REQUESTS = ("requests", "request", "api requests")
UNITS: dict[str, dict[str, Decimal]] = {
    "hour": {"hrs": Decimal(1), "hours": Decimal(1)},
    "LCU-hour": {"lcu-hrs": Decimal(1)},
    "OCU-hour": {"ocu-hours": Decimal(1), "ocu-hrs": Decimal(1), "ocu-hr": Decimal(1)},
    "GB": {"gb": Decimal(1)},
    "vCPU-hour": {"hours": Decimal(1)},
    "GB-hour": {"hours": Decimal(1), "gb-hours": Decimal(1)},
    "GB-month": {"gb-mo": Decimal(1), "gb-month": Decimal(1)},
    "GB-second": {"lambda-gb-second": Decimal(1)},
    "IOPS-month": {"iops-mo": Decimal(1)},
    "MiBps-month": {"mibps-mo": Decimal(1), "gibps-mo": Decimal(1) / 1024},
    "key-month": {"keys": Decimal(1)},
    "secret-month": {"secrets": Decimal(1)},
    "alarm-month": {"alarms": Decimal(1)},
    "metric-month": {"metrics": Decimal(1)},
    "dashboard-month": {"dashboards": Decimal(1)},
    "1k requests": dict.fromkeys(_REQUESTS, Decimal(1_000)),
    "10k requests": dict.fromkeys(_REQUESTS, Decimal(10_000)),
    "1M requests": dict.fromkeys(_REQUESTS, Decimal(1_000_000)),
    "1M RRU": {"readrequestunits": Decimal(1_000_000)},
    "1M WRU": {"writerequestunits": Decimal(1_000_000)},
    "1M tokens": {"1k tokens": Decimal(1_000), "1m tokens": Decimal(1)},
}
"""A row's unit -> AWS's units, in small letters -> how many of them make one of the row's."""


def prefix_of(usage_type: str, region: str) -> str:
    """The region's code that a usage type begins with: `USW2` or `us-west-2`; empty where it begins with none."""
    if usage_type.startswith(f"{region}-"):
        return region
    found = _SHORT.match(usage_type)
    return found[1] if found else ""


def here(key: str, region: str) -> str:
    """A key of `HOME` as a region has it: a model's profile is that of its geography."""
    kind, _, model = key.partition(":")
    if model.startswith("us.") and _PROFILES["eu"].fullmatch(region):
        return f"{kind}:eu.{model.removeprefix('us.')}"
    return key


def service_of(service: str, key: str) -> str:
    """The price list's service code by whose answers a region's prefixes are told; empty where none tells it."""
    found = _query(service, key)
    return (found[0].service_code or service) if found and found[0].region_field else ""


def question(service: str, key: str, region: str, prefixes: Collection[str]) -> Question | None:
    """What to ask the price list about a key; None: it has no query there.

    `prefixes` are what AWS puts before a usage type in the region, one of them: which one varies by service.
    """
    profile = _PROFILES.get(key.partition(":")[2].partition(".")[0])
    if profile and not profile.fullmatch(region):
        return None  # the region's own profile would answer
    found = _query(service, key)
    if found is None:
        return None
    query, own = found
    names = [
        (f"{prefix}-" if prefix else "") + usage.format(own, prefix=prefix)
        for usage in query.usage.split("|")
        for prefix in prefixes
    ]
    exact = {name: value.format(own) for name, value in query.where.items()}
    if query.region_field:
        exact[query.region_field] = region
    filters = [match(name, value) for name, value in exact.items()]
    filters.append({"Type": "ANY_OF", "Field": "usagetype", "Value": ",".join(names)})
    return Question(query.service_code or service, tuple(names), tuple(filters))


def match(field: str, value: str) -> Mapping[str, str]:
    """The filter of an attribute that has exactly that value."""
    return {"Type": "TERM_MATCH", "Field": field, "Value": value}


def _query(service: str, key: str) -> tuple[Query, str] | None:
    """The query of a key, and what `*` stands for in it."""
    for (of, pattern), query in QUERIES.items():
        found = of == service and re.fullmatch(re.escape(pattern).replace(r"\*", "(.+)"), key)
        if found:
            return query, "".join(found.groups())
    return None

"""What the local cloud still holds: every record of the emulator and of SageMaker, and indices without a collection."""

import json

from localcloud.services.supervisor import EMULATOR, OPENSEARCH, SAGEMAKER

# No resources of ours: data points, history, log lines, a second key of the same queues, and what AWS has in every
# account: an event bus, a log group, default parameter groups, the default network.
IGNORED = {
    "cloudwatch metrics", "cloudwatch alarm_history", "sqs queue_name_to_url", "eventbridge buses default",
    "cloudwatch_logs log_records", "cloudwatch_logs log_groups /aws/sagemaker/TrainingJobs",
    "elasticache param_groups", "elasticache param_group_params", "ec2 default_initialized_scopes",
    "ec2 vpcs vpc-00000001", "ec2 internet_gateways igw-00000001", "ec2 network_acls acl-00000001",
    "ec2 route_tables rtb-00000001", "ec2 security_groups sg-00000001",
    *(f"ec2 subnets subnet-0000000{number}" for number in (1, 2, 3)),
}  # fmt: skip


def leftovers() -> list[tuple[str, ...]]:
    """Return (service, kind, name) of everything that is left, sorted; empty after a complete destroy."""
    records = [tuple(record) for record in json.loads(EMULATOR.get("/_tandem/resources", 30))]
    found = [record for record in records if not {" ".join(record), " ".join(record[:2])} & IGNORED]
    found += [tuple(record) for record in json.loads(SAGEMAKER.get("/_tandem/resources", 30))]
    for row in json.loads(OPENSEARCH.get("/_cat/indices?format=json&expand_wildcards=open,closed", 30)):
        if ("opensearchserverless", "collections", row["index"].partition(".")[0]) not in records:
            found.append(("opensearch", "index", row["index"]))
    return sorted(found)

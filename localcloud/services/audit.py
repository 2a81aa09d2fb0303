"""What the local cloud still holds: every record of the emulator and of SageMaker, and indices without a collection."""

import json

from localcloud.services.supervisor import EMULATOR, OPENSEARCH, SAGEMAKER

# No resources of ours: data points, history, log lines, a second key of the same queues, and what AWS has in every
# account: an event bus, a log group, default parameter groups.
IGNORED = {
    "cloudwatch metrics", "cloudwatch alarm_history", "sqs queue_name_to_url", "eventbridge buses default",
    "cloudwatch_logs log_records", "cloudwatch_logs log_groups /aws/sagemaker/TrainingJobs",
    "elasticache param_groups", "elasticache param_group_params",
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

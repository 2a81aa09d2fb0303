"""Writes the names of AWS's Foundational Security Best Practices for the services whose things Tandem makes.

    .venv/bin/python -m scripts.aws_controls WHEEL

WHEEL is a release of prowler (`pip download --no-deps prowler`, into a folder that is thrown away), which has AWS's
list as a file; it is no requirement of anything here.
"""

import json
import sys
import zipfile
from pathlib import Path

NAMES = Path(__file__).with_suffix(".json")
IN_WHEEL = "prowler/compliance/aws/aws_foundational_security_best_practices_aws.json"
SERVICES = (
    *("APIGateway", "DynamoDB", "EC2", "ECR", "EKS", "IAM", "KMS", "Lambda", "OpenSearch", "S3", "SNS", "SQS"),
    *("SageMaker", "StepFunctions"),
)


def names(wheel: Path) -> dict[str, str]:
    """The controls by their numbers."""
    with zipfile.ZipFile(wheel) as opened:
        listed = json.loads(opened.read(IN_WHEEL))["Requirements"]
    return {each["Id"]: each["Name"] for each in listed if each["Id"].split(".")[0] in SERVICES}


if __name__ == "__main__":
    wheel = Path(sys.argv[1])
    read = {"source": "-".join(wheel.name.split("-")[:2]), "controls": names(wheel)}
    NAMES.write_text(json.dumps(read, indent=1) + "\n")

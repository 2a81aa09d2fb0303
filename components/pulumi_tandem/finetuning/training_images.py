"""ECR repository for training and serving images of your own."""

import json
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import ecr

from ..choices import Retention
from ..foundation.outputs import register
from ..foundation.retention import holding_data
from ..foundation.tags import Tags

KEPT_IMAGES = 10
UNTAGGED_DAYS = 7


class TrainingImagesArgs(TypedDict):
    """Arguments of `TrainingImages`."""

    retention: Retention
    """`keep` protects the repository; `erase` deletes it with its images."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class TrainingImages(pulumi.ComponentResource):
    """ECR repository: tags are immutable, images are scanned when pushed, old ones expire.

    Creates the repository and its life cycle (ten images, untagged ones a week).

    Idle cost: $0.10 per GB and month.
    """

    repository_url: pulumi.Output[str]
    """URL to push images to."""
    repository_arn: pulumi.Output[str]
    """ARN of the repository."""

    def __init__(self, name: str, args: TrainingImagesArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:TrainingImages", name, {}, opts)
        repository = ecr.Repository(
            name,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "AES256"}],
            force_delete=args["retention"] is Retention.ERASE,
            tags=args.get("tags"),
            opts=holding_data(self, args["retention"]),
        )
        untagged = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days"}
        newest = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES}
        ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=repository.name,
            policy=json.dumps(
                {
                    "rules": [
                        {
                            "rulePriority": priority,
                            "description": description,
                            "selection": selection,
                            "action": {"type": "expire"},
                        }
                        for priority, (description, selection) in enumerate(
                            (
                                (f"untagged for {UNTAGGED_DAYS} days", untagged | {"countNumber": UNTAGGED_DAYS}),
                                (f"more than {KEPT_IMAGES}", newest),
                            ),
                            start=1,
                        )
                    ]
                }
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.repository_url, self.repository_arn = repository.repository_url, repository.arn
        register(self)

"""A RAG service, and beside it tuning on a GPU cluster: one program, two environments, nothing shared but the stack.

Where a tuned model is to write the service's answers, `HybridEnvironment` is both in one.
"""

import pulumi
from pulumi_tandem import FineTuningEnvironment, RagEnvironment, Retention, TrainingBackend

handbook = RagEnvironment("handbook", {"retention": Retention.ERASE})

# The cluster bills all month, $261 in us-east-1 (docs/cost.md); nodes with GPUs are there only while a run is.
tuning = FineTuningEnvironment(
    "tuning",
    {
        "training_backend": TrainingBackend.EKS,
        "training_instance": "g6e.2xlarge",
        "training_instances": 2,
        "max_training_hours": 4,
        "retention": Retention.ERASE,
        "monthly_budget": 500,
    },
)

# What `tandem ask`, `ingest` and `documents` read.
pulumi.export("queryUrl", handbook.query_url)
pulumi.export("documentsBucket", handbook.documents_bucket)
pulumi.export("ledgerTable", handbook.ledger_table)
# What `tandem dataset` and `finetune` read.
pulumi.export("trainingBackend", tuning.training_backend)
pulumi.export("datasetBucket", tuning.dataset_bucket)
pulumi.export("artifactBucket", tuning.artifact_bucket)
pulumi.export("trainingPipelineArn", tuning.training_pipeline_arn)
pulumi.export("runEnvelopeParameter", tuning.run_envelope_parameter)
pulumi.export("clusterFunction", tuning.cluster_function)
pulumi.export("modelPackageGroup", tuning.model_package_group)
pulumi.export("region", tuning.region)

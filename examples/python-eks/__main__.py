"""Training on a GPU cluster in a program of one's own, of the parts that `FineTuningEnvironment` composes too."""

from dataclasses import asdict

import pulumi
import pulumi_aws as aws
from pulumi_tandem import ClusterTraining, DataBucket, GpuCluster, Retention
from pulumi_tandem.finetuning.images import SERVING, TRAINING, image_uri
from pulumi_tandem.finetuning.model_registry import ModelRegistry
from pulumi_tandem.finetuning.training_pipeline import TrainingPipeline
from tandem_contract.envelope import RunEnvelope

HOUR = 3600
envelope = asdict(
    RunEnvelope(
        instance_type="g6e.2xlarge",
        instance_count=2,
        max_runtime_seconds=4 * HOUR,
        attempts=2,
        spot=False,
        volume_gb=200,
        checkpoint=True,
        evaluation_instance_type="g6e.2xlarge",
        evaluation_max_runtime_seconds=HOUR,
    )
)

# First, since it asks the account what it can give, and refuses before anything else is made.
cluster = GpuCluster(
    "gpu", {"node_pools": [{"instance_types": ["g6e.2xlarge"], "gpus": 2, "volume_gigabytes": 300, "one_zone": True}]}
)
datasets = DataBucket("datasets", {"retention": Retention.ERASE})
artifacts = DataBucket("artifacts", {"retention": Retention.ERASE})
registry = ModelRegistry("models", {})
training = ClusterTraining(
    "runs",
    cluster,
    {
        "envelope": envelope,
        "training_image": image_uri(TRAINING, cluster),
        "dataset_bucket_arn": datasets.bucket_arn,
        "artifact_bucket_arn": artifacts.bucket_arn,
    },
)
pipeline = TrainingPipeline(
    "training",
    datasets,
    artifacts,
    registry,
    {
        "envelope": envelope,
        "training_image": TRAINING,
        "serving_image": SERVING,
        "serving_environment": {},
        "cluster": training.for_pipeline,
    },
)

# What `tandem finetune` and `tandem dataset` read.
pulumi.export("trainingBackend", "eks")
pulumi.export("datasetBucket", datasets.bucket_name)
pulumi.export("artifactBucket", artifacts.bucket_name)
pulumi.export("trainingPipelineArn", pipeline.pipeline_arn)
pulumi.export("runEnvelopeParameter", pipeline.envelope_parameter)
pulumi.export("clusterFunction", pipeline.cluster_function)
pulumi.export("modelPackageGroup", registry.group_name)
pulumi.export("region", aws.get_region_output().region)

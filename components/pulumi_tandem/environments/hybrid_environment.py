"""Retrieval and a tuned model together."""

from typing import NotRequired, TypedDict

import pulumi

from ..finetuning.inference_endpoint import EndpointMode
from ..foundation.mistakes import InvalidArguments, Mistake
from .finetuning_environment import FineTuningEnvironment, FineTuningEnvironmentArgs, finetuning_mistakes
from .rag_environment import RagEnvironment, RagEnvironmentArgs, rag_mistakes


class HybridEnvironmentArgs(TypedDict):
    """Arguments of `HybridEnvironment`."""

    rag: NotRequired[RagEnvironmentArgs]
    """Arguments of its `RagEnvironment`; `generator` is who answers while the tuned model can't."""
    finetuning: NotRequired[FineTuningEnvironmentArgs]
    """Arguments of its `FineTuningEnvironment`; `model` names the package that writes the answers."""


class HybridEnvironment(pulumi.ComponentResource):
    """A `RagEnvironment` whose answers are written by the tuned model of a `FineTuningEnvironment`.

    The hosted `generator` speaks while there is no tuned model, or its endpoint is cold or failing; each answer says
    which model spoke. Nothing is created twice: one guard and one budget, one alarm topic if given. Idle cost: both
    environments', without an endpoint about $0.60 a month beyond the free tier; an endpoint bills by the hour.
    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    query_url: pulumi.Output[str]
    """URL to post questions to."""
    query_invoke_arn: pulumi.Output[str]
    """ARN for the `execute-api:Invoke` permission of who may ask."""
    documents_bucket: pulumi.Output[str]
    """Name of the bucket for the documents."""
    collection_endpoint: pulumi.Output[str]
    """URL of the vector store."""
    ledger_table: pulumi.Output[str]
    """Name of the table that records what is indexed."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue of documents that were given up."""
    dataset_bucket: pulumi.Output[str]
    """Name of the bucket of data sets."""
    artifact_bucket: pulumi.Output[str]
    """Name of the bucket of runs, checkpoints, models and base models."""
    training_pipeline_arn: pulumi.Output[str]
    """ARN of the state machine that runs are executions of."""
    run_envelope_parameter: pulumi.Output[str]
    """Name of the SSM parameter with the run envelope."""
    model_package_group: pulumi.Output[str]
    """Name of the model package group."""
    image_repository_url: pulumi.Output[str]
    """URL of the repository for images of your own."""
    tracking_uri: pulumi.Output[str]
    """MLflow tracking URI; empty without tracking."""
    endpoint_name: pulumi.Output[str]
    """Name of the endpoint; empty without one."""
    inference_component: pulumi.Output[str]
    """Name of the inference component that requests have to name; empty unless the endpoint scales to zero."""

    def __init__(self, name: str, args: HybridEnvironmentArgs, opts: pulumi.ResourceOptions | None = None):
        rag, finetuning = args.get("rag") or {}, args.get("finetuning") or {}
        mistakes = [Mistake(f"rag.{m.key}", *m[1:]) for m in rag_mistakes(rag)]
        mistakes += [Mistake(f"finetuning.{m.key}", *m[1:]) for m in finetuning_mistakes(finetuning)]
        if mistakes:
            raise InvalidArguments(f"HybridEnvironment {name!r}", mistakes)
        super().__init__("tandem:index:HybridEnvironment", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tuned = FineTuningEnvironment(
            f"{name}-tuning",
            {**finetuning, "tags": own_tags(name, finetuning)},
            opts=child,
        )
        served: RagEnvironmentArgs = {**rag, "tags": own_tags(name, rag)}
        if finetuning.get("model"):
            served["endpoint_name"] = tuned.endpoint_name
            if finetuning.get("endpoint_mode") == EndpointMode.ZERO:
                served["inference_component"] = tuned.inference_component
        answers = RagEnvironment(f"{name}-rag", served, opts=child)
        self.query_url, self.query_invoke_arn = answers.query_url, answers.query_invoke_arn
        self.documents_bucket = answers.documents_bucket
        self.collection_endpoint, self.ledger_table = answers.collection_endpoint, answers.ledger_table
        self.dead_letter_queue_url = answers.dead_letter_queue_url
        self.dataset_bucket, self.artifact_bucket = tuned.dataset_bucket, tuned.artifact_bucket
        self.training_pipeline_arn = tuned.training_pipeline_arn
        self.run_envelope_parameter = tuned.run_envelope_parameter
        self.model_package_group, self.image_repository_url = tuned.model_package_group, tuned.image_repository_url
        self.tracking_uri, self.endpoint_name = tuned.tracking_uri, tuned.endpoint_name
        self.inference_component = tuned.inference_component
        self.register_outputs(
            {
                "queryUrl": self.query_url,
                "queryInvokeArn": self.query_invoke_arn,
                "documentsBucket": self.documents_bucket,
                "collectionEndpoint": self.collection_endpoint,
                "ledgerTable": self.ledger_table,
                "deadLetterQueueUrl": self.dead_letter_queue_url,
                "datasetBucket": self.dataset_bucket,
                "artifactBucket": self.artifact_bucket,
                "trainingPipelineArn": self.training_pipeline_arn,
                "runEnvelopeParameter": self.run_envelope_parameter,
                "modelPackageGroup": self.model_package_group,
                "imageRepositoryUrl": self.image_repository_url,
                "trackingUri": self.tracking_uri,
                "endpointName": self.endpoint_name,
                "inferenceComponent": self.inference_component,
            }
        )


def own_tags(name: str, args: RagEnvironmentArgs | FineTuningEnvironmentArgs) -> dict[str, str]:
    """The tags of a part: it belongs to this environment."""
    return {"tandem:environment": name, **(args.get("tags") or {})}

"""The stack program: reads the configuration, builds one environment, exports its outputs."""

import pulumi
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, HybridEnvironmentArgs, RagEnvironment
from pulumi_tandem.configuration import environment, stack_configuration

RAG_OUTPUTS = {
    "queryUrl": "query_url",
    "documentsBucket": "documents_bucket",
    "collectionEndpoint": "collection_endpoint",
    "ledgerTable": "ledger_table",
    "deadLetterQueueUrl": "dead_letter_queue_url",
}
TUNING_OUTPUTS = {
    "datasetBucket": "dataset_bucket",
    "artifactBucket": "artifact_bucket",
    "trainingPipelineArn": "training_pipeline_arn",
    "runEnvelopeParameter": "run_envelope_parameter",
    "modelPackageGroup": "model_package_group",
    "imageRepositoryUrl": "image_repository_url",
    "trackingUri": "tracking_uri",
    "endpointName": "endpoint_name",
    "inferenceComponent": "inference_component",
}

wanted = environment(stack_configuration())
if wanted.kind == "rag":
    made, outputs = RagEnvironment("rag", wanted.arguments["rag"]), RAG_OUTPUTS
elif wanted.kind == "finetuning":
    made, outputs = FineTuningEnvironment("tuning", wanted.arguments["finetuning"]), TUNING_OUTPUTS
else:
    parts: HybridEnvironmentArgs = {
        "rag": wanted.arguments["rag"],
        "finetuning": wanted.arguments["finetuning"],
        **wanted.arguments["hybrid"],
    }
    made, outputs = HybridEnvironment("hybrid", parts), RAG_OUTPUTS | TUNING_OUTPUTS

for key, attribute in outputs.items():
    pulumi.export(key, getattr(made, attribute))

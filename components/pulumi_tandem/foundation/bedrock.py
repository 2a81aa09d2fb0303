"""Bedrock model ARNs, for the permission to invoke them."""

import pulumi
import pulumi_aws as aws
from tandem_contract.embedders import EMBEDDERS
from tandem_contract.inference_profile import profiled_model


def invoke_resources(model: str, parent: pulumi.Resource) -> list[pulumi.Input[str]]:
    """The ARNs that `bedrock:InvokeModel` needs for a model id, an inference profile id or an ARN.

    A cross-region profile sends the request to any region of its geography, and both the profile and the model there
    must be allowed (Bedrock user guide, "Prerequisites for inference profiles"): hence the region wildcard.
    """
    if model.startswith("arn:"):
        return [model]
    options = pulumi.InvokeOutputOptions(parent=parent)
    partition = aws.get_partition_output(opts=options).partition
    region = aws.get_region_output(opts=options).region
    profiled = profiled_model(model)
    if profiled is None:
        return [pulumi.Output.format("arn:{0}:bedrock:{1}::foundation-model/{2}", partition, region, model)]
    account = aws.get_caller_identity_output(opts=options).account_id
    return [
        pulumi.Output.format("arn:{0}:bedrock:{1}:{2}:inference-profile/{3}", partition, region, account, model),
        pulumi.Output.format("arn:{0}:bedrock:*::foundation-model/{1}", partition, profiled),
    ]


def embedder_resources(parent: pulumi.Resource) -> list[pulumi.Input[str]]:
    """The ARNs of every embedder: the active index may have been built with another than the one configured now."""
    return [arn for model in EMBEDDERS for arn in invoke_resources(model, parent)]

"""Permission to invoke models of Bedrock."""

from collections.abc import Iterable

import pulumi
import pulumi_aws as aws
from tandem_contract.bedrock_models import APPLICATION, MODEL, PROFILE, ModelId, parse

from .arns import account_arn
from .policy import Statement, allow
from .region import region_for

INVOKE = ["bedrock:InvokeModel"]  # of Converse too (API reference, Converse)


def invoke_models(models: Iterable[str], parent: pulumi.Resource) -> list[Statement]:
    """What lets a role invoke models, each a model id, an inference profile id or an ARN, and those alone.

    The embedders are always all of them: the active index may have been built with another than the configured one.

    A profile needs its foundation models too, in each region that it sends to, the global one's without a region (user
    guide, "Prerequisites for inference profiles"). Which regions is AWS's to change, and which model is behind an
    application's profile AWS's to know: so they are allowed through that profile alone, by the condition of that guide,
    and nobody has to be asked in a preview.
    """
    named, through = [], []
    for model in filter(None, map(parse, models)):
        arn = _arn(model, parent)
        named.append(arn)
        if model.kind in (PROFILE, APPLICATION):
            every = pulumi.Output.format(
                "arn:{0}:bedrock:*::foundation-model/{1}", _partition(parent), model.model or "*"
            )
            through.append(allow(INVOKE, every, StringEquals={"bedrock:InferenceProfileArn": arn}))
    return [allow(INVOKE, named), *through]


def _arn(model: ModelId, parent: pulumi.Resource) -> pulumi.Input[str]:
    if model.arn:
        return model.arn
    if model.kind == PROFILE:
        return account_arn("bedrock", f"{PROFILE}/{model.id}", parent)
    region = region_for(parent)
    return pulumi.Output.format("arn:{0}:bedrock:{1}::{2}/{3}", _partition(parent), region, MODEL, model.id)


def _partition(parent: pulumi.Resource) -> pulumi.Output[str]:
    return aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=parent)).partition

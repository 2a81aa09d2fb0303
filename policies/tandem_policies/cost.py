"""Rules against bills that nobody wanted."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from . import resource_types as aws
from .documents import parsed
from .levels import ADVISORY, DISABLED, MANDATORY, Levels
from .rules import Findings, Resource, Rule, Setting, Settings, at, has, one, run_envelope
from .sizes import SMALL, WITHOUT_GPUS

TAGGED = (
    *aws.BUCKETS,
    aws.DOMAIN,
    aws.ENDPOINT,
    aws.ENDPOINT_CONFIGURATION,
    aws.NODE_GROUP,
    aws.COLLECTION,
    aws.COLLECTION_GROUP,
    aws.TRACKING_SERVER,
    aws.LOG_GROUP,
    aws.FUNCTION,
    aws.TABLE,
    aws.INSTANCE,
    aws.REPOSITORY,
    aws.CLUSTER,
    "aws:sagemaker/mlflowApp:MlflowApp",
    "aws:sfn/stateMachine:StateMachine",
    aws.QUEUE,
    aws.TOPIC,
    "aws:apigateway/restApi:RestApi",
    "aws:apigatewayv2/api:Api",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ebs/volume:Volume",
    "aws:ec2/eip:Eip",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:secretsmanager/secret:Secret",
)


def endpoint_ends(resource: Resource, settings: Settings) -> Findings:
    """An endpoint that stays and bills."""
    hours = one(resource.properties, "tags.tandem:expires-hours")
    if hours and str(hours) != "0":
        if not re.fullmatch(r"\d+(\.\d+)?", str(hours)):
            yield f"its tag tandem:expires-hours is {hours}, which is no number of hours"
        elif float(hours) > settings["maxHours"]:
            yield f"its tag tandem:expires-hours is {hours}, and {settings['maxHours']:g} are the most"
        return
    configurations = resource.references.get("endpointConfigName", [])
    variants = [each for one_ in configurations for each in at(one_.properties, "productionVariants")]
    for variant in variants or [{}]:
        scaling = one(variant, "managedInstanceScaling", {})
        to_zero = scaling.get("minInstanceCount") == 0 and scaling.get("status") != "DISABLED"
        if not to_zero and one(variant, "serverlessConfig") is None:
            yield "it has no tag tandem:expires-hours, and doesn't scale to zero instances"
            return


def node_group_to_zero(resource: Resource, settings: Settings) -> Iterator[str]:
    """Nodes that stay when there is no work. EKS starts `desiredSize` of them, and ends none by itself."""
    of_eks = resource.type == aws.NODE_GROUP
    paths = ("scalingConfig.minSize", "scalingConfig.desiredSize") if of_eks else ("minSize", "desiredCapacity")
    kinds = list(at(resource.properties, "instanceTypes")) or [
        kind
        for template in resource.references.get("launchTemplate", [])
        for kind in at(template.properties, "instanceType")
    ]
    steady = kinds and all(any(fnmatchcase(str(kind), each) for each in settings["steady"]) for kind in kinds)
    for path in paths:
        size = one(resource.properties, path, 0)
        if size > 0 and not steady:
            yield f"{path} is {size:g}"
            return


def search_nextgen(resource: Resource, _: Settings) -> Iterator[str]:
    """OpenSearch Serverless of the generation that bills while idle."""
    if resource.type == aws.COLLECTION:
        if not has(resource.properties, "collectionGroupName"):
            yield "a collection without collectionGroupName is Classic"
    elif (generation := resource.properties.get("generation")) != "NEXTGEN":
        yield f"generation is {generation or 'not set, which means CLASSIC'}"


def search_capacity_limited(resource: Resource, settings: Settings) -> Iterator[str]:
    """A collection group that can grow without a limit."""
    for key in ("maxSearchCapacityInOcu", "maxIndexingCapacityInOcu"):
        most = one(resource.properties, f"capacityLimits.{key}")
        if most is None:
            yield f"capacityLimits has no {key}"
        elif most > settings["maxOcu"]:
            yield f"capacityLimits.{key} is {most:g}, and {settings['maxOcu']:g} are the most"
    for key in ("minSearchCapacityInOcu", "minIndexingCapacityInOcu"):
        if (least := one(resource.properties, f"capacityLimits.{key}", 0)) > settings["minOcu"]:
            yield f"capacityLimits.{key} is {least:g}, which bills while idle"


def tracking_serverless(_resource: Resource, _: Settings) -> Iterator[str]:
    """An MLflow that bills by the hour."""
    yield "a tracking server bills by the hour, about $470 a month for a small one"


def log_retention(resource: Resource, settings: Settings) -> Findings:
    """Logs that are kept for ever, or nearly."""
    if resource.type == aws.FUNCTION:
        groups = [name for config in at(resource.properties, "loggingConfig") for name in config if name == "logGroup"]
        if not groups:
            yield "without loggingConfig.logGroup, Lambda makes a log group that never expires"
    elif not (days := resource.properties.get("retentionInDays")):
        yield "retentionInDays is not set, which means for ever"
    elif days > settings["maxDays"]:
        yield f"retentionInDays is {days:g}, and {settings['maxDays']:g} are the most"


def keep_logs_for_a_while(resource: Resource, settings: Settings) -> bool:
    """Sets the retention of a log group that has none."""
    missing = resource.type == aws.LOG_GROUP and not resource.properties.get("retentionInDays")
    if missing:
        resource.properties["retentionInDays"] = settings["days"]  # ty: ignore[invalid-assignment]
    return missing


def budget_present(resource: Resource, _: Settings) -> Iterator[str]:
    """Instances in a stack that nobody counts."""
    if resource.type == aws.PARAMETER and run_envelope(resource) is None:
        return
    if not any(other.type == aws.BUDGET for other in resource.neighbours):
        yield "the stack can start instances, and has no aws:budgets/budget:Budget"


def budget_tells(resource: Resource, _: Settings) -> Findings:
    """A budget that is passed in silence."""
    told = ("subscriberEmailAddresses", "subscriberSnsTopicArns")
    notifications = at(resource.properties, "notifications")
    if not any(has(each, name) and len(each[name]) for each in notifications for name in told):
        yield "it has no notification that anybody gets"


def cost_tags(resource: Resource, settings: Settings) -> Iterator[str]:
    """Cost-allocation tags that are missing."""
    if missing := _missing_tags(resource, settings):
        yield f"it has no {' and no '.join(missing)}"


def add_tags(resource: Resource, settings: Settings) -> bool:
    """Adds the missing tags whose value is known: the stack's name, and what the settings say."""
    values = {"tandem:stack": resource.stack, **settings["values"]}
    found = {tag: values[tag] for tag in _missing_tags(resource, settings) if tag in values}
    if found:
        resource.properties["tags"] = {**(resource.properties.get("tags") or {}), **found}  # ty: ignore[invalid-assignment]
    return bool(found)


def _missing_tags(resource: Resource, settings: Settings) -> list[str]:
    # Since pulumi-aws 7 the provider's tags are not among those of a resource.
    defaults = parsed(resource.provider.get("defaultTags"))
    given = [resource.properties.get("tags") or {}, one(defaults, "tags", {})]
    return [tag for tag in settings["required"] if not any(has(tags, tag) and tags[tag] for tags in given)]


RULES = [
    Rule(
        name="endpoint-ends",
        severity="high",
        levels=Levels(MANDATORY, DISABLED),  # one in production is there to stay
        what="A SageMaker endpoint expires (tag `tandem:expires-hours`, which the cost guard obeys) or scales to zero.",
        why=(
            "A forgotten ml.g5.2xlarge endpoint is $1,106 a month; GPUs that nobody ended cost thousands "
            "(allegroai/clearml-session#37)."
        ),
        url="https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html",
        remedy="Set endpointHours, or endpointMode: zero, in the stack file; or raise `maxHours` of endpoint-ends.",
        types=(aws.ENDPOINT,),
        check=endpoint_ends,
        settings={"maxHours": Setting("the longest that an endpoint may stay, in hours", 168, 168)},
        whole_stack=True,
    ),
    Rule(
        name="node-group-to-zero",
        severity="high",
        levels=Levels(MANDATORY, ADVISORY),
        what="Node groups rest at no nodes; small instances, on which a cluster's own Pods run, may stay.",
        why=(
            "GPU nodes that were never terminated (aws/karpenter-provider-aws#2737, #3862). EKS starts `desiredSize` "
            "nodes whatever the smallest size is."
        ),
        url="https://github.com/aws/karpenter-provider-aws/issues/3862",
        remedy="Set the smallest and the desired size to 0, or add the instance to `steady` of node-group-to-zero.",
        types=(aws.NODE_GROUP, aws.SCALING_GROUP),
        check=node_group_to_zero,
        settings={"steady": Setting("patterns of instances that may stay", SMALL, WITHOUT_GPUS)},
        whole_stack=True,
    ),
    Rule(
        name="search-nextgen",
        severity="high",
        levels=Levels(MANDATORY, ADVISORY),
        what="OpenSearch Serverless collections are NextGen, which scales to zero.",
        why=(
            "Over $20 a day for an idle Classic collection (aws-samples/aws-genai-llm-chatbot#37), about $700 a month "
            "(awslabs/generative-ai-cdk-constructs#279). The API's default is Classic."
        ),
        url="https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-scale-to-zero.html",
        remedy='Put the collection into a collection group with generation "NEXTGEN".',
        types=(aws.COLLECTION, aws.COLLECTION_GROUP),
        check=search_nextgen,
    ),
    Rule(
        name="search-capacity-limited",
        severity="medium",
        what="A collection group has a ceiling for search and for indexing.",
        why="OCUs billed while a sync hung for 20 hours (aws-samples/bedrock-chat#641), at about $0.24 an hour each.",
        url="https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-scaling.html",
        remedy="Set maxSearchOcu in the stack file, or both maxima in capacityLimits.",
        types=(aws.COLLECTION_GROUP,),
        check=search_capacity_limited,
        settings={
            "maxOcu": Setting("the highest ceiling, in OpenSearch compute units", 4, 32),
            "minOcu": Setting("the highest floor, in the same", 0, 32),
        },
    ),
    Rule(
        name="tracking-serverless",
        severity="medium",
        levels=Levels(MANDATORY, ADVISORY),
        what="Experiments are tracked by a serverless MLflow app, not by a server.",
        why=(
            "A small server bills $0.642 an hour (eu-west-2, second-hand), used or not; the app bills nothing while "
            "idle."
        ),
        url="https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowApp.html",
        remedy="Set tracking: app in the stack file.",
        types=(aws.TRACKING_SERVER,),
        check=tracking_serverless,
    ),
    Rule(
        name="log-retention",
        severity="medium",
        what="Log groups have a retention, and functions a log group of the stack.",
        why="Log groups that never expire (airbnb/streamalert#230, buildkite/elastic-ci-stack-for-aws#953).",
        url="https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html",
        remedy="Set retentionInDays; give a function loggingConfig.logGroup.",
        types=(aws.LOG_GROUP, aws.FUNCTION),
        check=log_retention,
        settings={
            "days": Setting("the retention that remediation sets", 14, 90),
            "maxDays": Setting("the longest retention, in days", 400, 3653),
        },
        fix=keep_logs_for_a_while,
    ),
    Rule(
        name="budget-present",
        severity="medium",
        what="A stack that can start instances has a budget.",
        why="None of the peers has one, and the angriest complaints are about idle GPUs (Open-Athena/marin-dna#564).",
        url="https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html",
        remedy="Set monthlyBudget in the stack file above 0.",
        types=(
            aws.PARAMETER,
            aws.ENDPOINT_CONFIGURATION,
            aws.NODE_GROUP,
            aws.NODE_POOL,
            aws.SCALING_GROUP,
            aws.TRACKING_SERVER,
            aws.INSTANCE,  # not OpenSearch's, whose bill is the same each month and in the preview
        ),
        check=budget_present,
        whole_stack=True,
    ),
    Rule(
        name="budget-tells",
        severity="medium",
        levels=Levels(ADVISORY, ADVISORY),  # whom to tell, no stack file of a repository can know
        what="A budget tells somebody before it is used up.",
        why="A budget stops nothing: what nobody is told of, nobody ends.",
        url="https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html",
        remedy="Set alarmTopicArn or alertEmail in the stack file, or notifications with subscribers.",
        types=(aws.BUDGET,),
        check=budget_tells,
    ),
    Rule(
        name="cost-tags",
        severity="medium",
        what="What costs money has the cost-allocation tags.",
        why=(
            "Without them nobody can say whose bill it is, and budget and cost guard don't see it. Default tags of the "
            "provider count, although they aren't among a resource's inputs (pulumi/pulumi-aws#5740)."
        ),
        url="https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/cost-alloc-tags.html",
        remedy="Pass the tags on, as `environment_tags` gives them.",
        types=TAGGED,
        check=cost_tags,
        settings={
            "required": Setting(
                "the tags", ["tandem:stack", "tandem:environment"], ["tandem:stack", "tandem:environment"]
            ),
            "values": Setting("values that remediation gives to missing tags, beside the stack's name", {}, {}),
        },
        fix=add_tags,
    ),
]

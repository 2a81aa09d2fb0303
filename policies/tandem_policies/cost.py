"""Rules against bills that nobody wanted."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from . import resource_types as aws
from .documents import parsed
from .levels import ADVISORY, DISABLED, MANDATORY, Levels
from .rules import Findings, Resource, Rule, Setting, Settings, at, has, one, pool_instances, run_envelope

INSTANCES = {
    aws.ENDPOINT_CONFIGURATION: ("productionVariants.instanceType", "shadowProductionVariants.instanceType"),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("instanceType",),
    aws.NODE_GROUP: ("instanceTypes",),
    aws.INSTANCE: ("instanceType",),
    aws.LAUNCH_TEMPLATE: ("instanceType",),
    aws.DOMAIN: ("clusterConfig.instanceType", "clusterConfig.dedicatedMasterType", "clusterConfig.warmType"),
}
COUNTS = {  # how many instances there may be at once
    aws.ENDPOINT_CONFIGURATION: tuple(
        f"{kind}.{path}"
        for kind in ("productionVariants", "shadowProductionVariants")
        for path in ("initialInstanceCount", "managedInstanceScaling.maxInstanceCount")
    ),
    aws.SCALING_TARGET: ("maxCapacity",),
    aws.DOMAIN: ("clusterConfig.instanceCount", "clusterConfig.warmCount"),
}
VOLUMES = {  # gigabytes
    "aws:ebs/volume:Volume": ("size",),
    aws.INSTANCE: ("rootBlockDevice.volumeSize", "ebsBlockDevices.volumeSize"),
    aws.DOMAIN: ("ebsOptions.volumeSize",),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("volumeSize",),
}
SMALL = ["t3*.*", "t4g.*", "[mcr]*.medium", "[mcr]*.large"]
WITHOUT_GPUS = [*SMALL, "[mcr]*.xlarge", "[mcr]*.2xlarge"]
UP_TO_3_DOLLARS = [*WITHOUT_GPUS, "g[456]*.xlarge", "g[456]*.2xlarge", "inf2.xlarge", "inf2.8xlarge"]
UP_TO_14_DOLLARS = [*UP_TO_3_DOLLARS, "[mcr]*.4xlarge", "g[456]*.4xlarge", "g[456]*.8xlarge", "g[456]*.12xlarge"]
UP_TO_14_DOLLARS += ["g[456]*.16xlarge", "p5.4xlarge"]
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


def instance_allowed(resource: Resource, settings: Settings) -> Iterator[str]:
    """Instances that aren't among the allowed ones."""
    if resource.type == aws.PARAMETER:
        envelope = run_envelope(resource)
        kinds = ("instance_type", "evaluation_instance_type")
        wanted = [envelope.get(kind) for kind in kinds] if isinstance(envelope, Mapping) else []
    elif resource.type == aws.NODE_POOL:
        if (named := pool_instances(resource)) is None:
            yield "it names no instance types, so Karpenter may take any"
        wanted = named or []
    else:
        wanted = [each for path in INSTANCES[resource.type] for each in at(resource.properties, path)]
    for name in dict.fromkeys(wanted):
        family = str(name).removeprefix("ml.").removesuffix(".search")
        if name and not any(fnmatchcase(family, pattern) for pattern in settings["allowed"]):
            yield f"{name} is not among {', '.join(settings['allowed'])}"


def run_envelope_bounded(resource: Resource, settings: Settings) -> Iterator[str]:
    """Limits that a run envelope lacks or exceeds."""
    envelope = run_envelope(resource)
    if isinstance(envelope, str):
        yield f"the run envelope can't be read: {envelope}"
    elif envelope is not None:
        for key in ("max_runtime_seconds", "evaluation_max_runtime_seconds"):
            seconds, hours = envelope.get(key), settings["maxHours"]
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
                yield f"{key} is {seconds}: nothing stops the job"
            elif seconds > hours * 3600:
                yield f"{key} is {seconds:.0f}, and {hours:g} hours are the most"
        if envelope.get("checkpoint") is not True:
            yield f"checkpoint is {envelope.get('checkpoint')}: a job that is stopped leaves nothing"
        attempts = envelope.get("attempts")
        if not isinstance(attempts, int | float) or not 1 <= attempts <= settings["maxAttempts"]:
            yield f"attempts is {attempts}, and 1 to {settings['maxAttempts']:g} are allowed"
        instances = envelope.get("instance_count")
        if not isinstance(instances, int | float) or not 1 <= instances <= settings["maxInstances"]:
            yield f"instance_count is {instances}, and 1 to {settings['maxInstances']:g} are allowed"


def sizes_bounded(resource: Resource, settings: Settings) -> Findings:
    """Instances and gigabytes in a number that nobody meant."""
    envelope = run_envelope(resource) if resource.type == aws.PARAMETER else None
    found = [("volume_gb", envelope.get("volume_gb"), "maxGigabytes")] if isinstance(envelope, Mapping) else []
    for paths, most in ((COUNTS, "maxInstances"), (VOLUMES, "maxGigabytes")):
        found += [(path, each, most) for path in paths.get(resource.type, ()) for each in at(resource.properties, path)]
    for path, size, most in found:
        if isinstance(size, int | float) and size > settings[most]:
            yield f"{path} is {size:g}, and {settings[most]:g} are the most"


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
        name="instance-allowed",
        severity="high",
        what="Instances are among those that the kind of stack may use.",
        why=(
            "A session left running for thousands of dollars (allegroai/clearml-session#37); $969 of idle GPU hours "
            "(Open-Athena/marin-dna#564). What is allowed costs up to $3 an hour in dev and $14 in prod (us-east-1)."
        ),
        url="https://github.com/allegroai/clearml-session/issues/37",
        remedy=(
            "Choose another instance, or add this one to `allowed` of instance-allowed in a policy pack configuration."
        ),
        types=(aws.PARAMETER, aws.NODE_POOL, *INSTANCES),
        check=instance_allowed,
        settings={
            "allowed": Setting("patterns of instances, without `ml.` and `.search`", UP_TO_3_DOLLARS, UP_TO_14_DOLLARS)
        },
    ),
    Rule(
        name="run-envelope-bounded",
        severity="high",
        what="A run envelope (docs/fine-tuning.md) has a longest runtime, few attempts and instances, and checkpoints.",
        why=(
            "A run without checkpoints hit its runtime limit: the whole spend, no adapter "
            "(Boise-State-Development/agentcore-public-stack#1024)."
        ),
        url="https://github.com/Boise-State-Development/agentcore-public-stack/pull/1024",
        remedy=(
            "Set maxTrainingHours, maxEvaluationHours, attempts and trainingInstances in the stack file; keep "
            "checkpoint on."
        ),
        types=(aws.PARAMETER,),
        check=run_envelope_bounded,
        settings={
            "maxHours": Setting("the longest runtime of one attempt, in hours", 24, 120),
            "maxAttempts": Setting("how often a run may start", 3, 5),
            "maxInstances": Setting("how many instances train at once", 2, 16),
        },
    ),
    Rule(
        name="sizes-bounded",
        severity="high",
        what="Endpoints, domains and volumes have no more instances and gigabytes than somebody would mean.",
        why="Fifty instances of an allowed type cost as much as one that isn't.",
        url="https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html",
        remedy="Take fewer, or raise `maxInstances` or `maxGigabytes` of sizes-bounded in a policy pack configuration.",
        types=tuple({**COUNTS, **VOLUMES, aws.PARAMETER: ()}),
        check=sizes_bounded,
        settings={
            "maxInstances": Setting("the most instances of a variant, a target or a domain", 4, 16),
            "maxGigabytes": Setting("the largest volume, in GB", 1000, 4096),
        },
    ),
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

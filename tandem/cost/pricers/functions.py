"""Functions, what starts them, and the API in front of them."""

import re
from decimal import Decimal

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, USED, Inputs
from ..model import Number, Resource
from ..units import HOURS_A_MONTH, MILLION

# Lambda keeps five long polls of up to 20 s at an empty SQS queue and they bill as requests (Lambda developer guide,
# "Using Lambda with Amazon SQS"). It's computed, not measured; `maximumConcurrency` doesn't lower it.
POLLERS = 5
POLLS_AN_HOUR = 3 * 60
RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60}
# What a start by the clock is taken to use: a rule doesn't say which function it starts.
START_SECONDS = 2
START_GIGABYTES = Decimal("0.5")


def function(resource: Resource, bill: Bill) -> None:
    """A function bills for requests and the time that it runs."""
    counted = "a question's is in the 1,000 queries, a schedule's with its rule, others in no number"
    bill.by_use("the time that it runs", counted)
    if resource.get("snapStart.applyOn", "None") != "None":
        bill.not_priced("SnapStart's cached snapshots")
    if resource.shown("capacityProviderConfig") is not None:
        bill.not_priced("the instances that it runs on (capacityProviderConfig), and the fee on them")
    if resource.shown("durableConfig") is not None:
        bill.not_priced("durable executions: their operations and what they keep", Number.QUERIES)
    if resource.shown("tenancyConfig") is not None:
        bill.not_priced("an environment for each tenant, which bills when it is made", Number.QUERIES)


def provisioned_concurrency(_: Resource, bill: Bill) -> None:
    """It bills by the function's memory, which only the function says."""
    bill.not_priced("provisioned concurrency: it bills by its function's memory, which isn't among its inputs")


def event_source(resource: Resource, bill: Bill) -> None:
    """Polling of an SQS queue, which bills although the queue is empty."""
    arn = resource.shown("eventSourceArn")
    others = ("startingPosition", "queues", "topics", "selfManagedEventSource")
    other = any([resource.shown(path) is not None for path in others])
    if resource.get("enabled", True) is False:
        bill.free("disabled: it doesn't poll")
    elif resource.get("provisionedPollerConfig"):
        bill.not_priced("provisioned pollers: there is no row for them")
    elif other or (isinstance(arn, str) and arn.startswith("arn:") and ":sqs:" not in arn):
        bill.not_priced("polling of a source other than SQS")
    else:
        polls = POLLERS * POLLS_AN_HOUR * HOURS_A_MONTH / MILLION
        key = "requests:fifo" if isinstance(arn, str) and arn.endswith(".fifo") else "requests:standard"
        bill.charge(Number.IDLE, "polls of the queue, empty or not", "AWSQueueService", key, polls)


def event_rule(resource: Resource, bill: Bill) -> None:
    """The starts of a function by the clock; EventBridge itself charges nothing for schedules and AWS's own events."""
    expression = resource.get("scheduleExpression")
    if resource.get("state") == "DISABLED" or resource.get("isEnabled", True) is False:
        bill.free("disabled")
    elif expression is None:
        if resource.get("eventBusName", "default") == "default":
            bill.free("events of AWS services are free; what they start bills")
        else:
            bill.not_priced("events on a bus of its own: there is no row for them")
    elif not (found := RATE.fullmatch(expression)):
        bill.not_priced(f"{expression}: only rate(...) is counted")
    else:
        starts = HOURS_A_MONTH * 60 / (int(found[1]) * MINUTES[found[2]])
        bill.charge(Number.IDLE, f"starts, {expression}", "AWSLambda", "requests", starts / MILLION)
        seconds = starts * START_SECONDS * START_GIGABYTES
        what = f"run time of the starts, {START_SECONDS} s at 512 MB"
        bill.charge(Number.IDLE, what, "AWSLambda", "duration:arm64", seconds, assumed=True)


def stage(resource: Resource, bill: Bill) -> None:
    """A stage of a REST API bills by the hour if it has a cache."""
    if resource.get("cacheClusterEnabled", False):
        bill.not_priced("the stage's cache, which bills by the hour: there is no row for it")
    else:
        bill.free("without a cache a REST API bills for requests only")


def method_settings(resource: Resource, bill: Bill) -> None:
    """Metrics by method bill as custom metrics in hours with requests."""
    bill.free("settings of a stage")
    if resource.get("settings.metricsEnabled", False):
        bill.note(
            "metricsEnabled: metrics by method bill as custom metrics, in hours with requests alone (API Gateway "
            "developer guide); they aren't in the 1,000 queries"
        )


def state_machine(resource: Resource, bill: Bill) -> None:
    """Bills for the transitions of its runs; one of type EXPRESS for their number, memory and time."""
    if resource.get("type", "STANDARD") == "STANDARD":
        bill.by_use("state transitions", "a run's are in no number")
        bill.note("a run's state transitions aren't counted: there is no row for them")
    else:
        bill.not_priced("requests, memory and time of Express runs: there are no rows for them", Number.QUERIES)


PRICERS: dict[str, Pricer] = {
    "aws:lambda/function:Function": function,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": provisioned_concurrency,
    "aws:lambda/eventSourceMapping:EventSourceMapping": event_source,
    "aws:cloudwatch/eventRule:EventRule": event_rule,
    "aws:apigateway/stage:Stage": stage,
    "aws:apigateway/methodSettings:MethodSettings": method_settings,
    "aws:sfn/stateMachine:StateMachine": state_machine,
}

_START = "moves what each start costs, which is taken to be what usage and the page on costs say"
INPUTS: dict[str, Inputs] = {
    "aws:lambda/function:Function": Inputs(
        "snapStart.applyOn capacityProviderConfig.* durableConfig.* tenancyConfig.*",
        {
            NAMES: "name description",
            PLACE: "vpcConfig.* replaceSecurityGroupsOnDestroy replacementSecurityGroupIds[] fileSystemConfig.*",
            ACCESS: "role kmsKeyArn sourceKmsKeyArn codeSigningConfigArn",
            LIFE: "publish publishTo skipDestroy useResourceTimeoutForPropagation snapStart.optimizationStatus",
            "code within the account's allowance costs nothing": """code codeSha256 sourceCodeHash s3Bucket s3Key
            s3ObjectVersion imageUri imageConfig.* layers[] packageType""",
            BEHAVIOUR: "runtime handler environment.* deadLetterConfig.*",
            "limits cost nothing": "timeout reservedConcurrentExecutions",
            USED: "loggingConfig.*",
        },
        {_START: "memorySize architectures[] ephemeralStorage.size", "traces bill by the trace": "tracingConfig.mode"},
    ),
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": Inputs(
        free={
            PLACE: "functionName qualifier",
            LIFE: "skipDestroy",
            "part of what is NOT PRICED": "provisionedConcurrentExecutions",
        },
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Inputs(
        "eventSourceArn startingPosition queues topics[] selfManagedEventSource.* enabled provisionedPollerConfig.*",
        {
            PLACE: "functionName",
            ACCESS: "kmsKeyArn sourceAccessConfigurations.*",
            BEHAVIOUR: """batchSize bisectBatchOnFunctionError filterCriteria.* functionResponseTypes[]
            maximumBatchingWindowInSeconds maximumRecordAgeInSeconds maximumRetryAttempts parallelizationFactor
            startingPositionTimestamp tumblingWindowInSeconds useResourceTimeoutForPropagation destinationConfig.*""",
            "a limit: fewer starts at once don't poll less": "scalingConfig.*",
            "of sources other than SQS, which are NOT PRICED": """amazonManagedKafkaEventSourceConfig.*
            documentDbEventSourceConfig.* selfManagedKafkaEventSourceConfig.*""",
        },
        {"its metrics bill as metrics of one's own": "metricsConfig.*"},
    ),
    "aws:cloudwatch/eventRule:EventRule": Inputs(
        "scheduleExpression state isEnabled eventBusName",
        {NAMES: "name namePrefix description", ACCESS: "roleArn", LIFE: "forceDestroy", BEHAVIOUR: "eventPattern"},
    ),
    "aws:apigateway/stage:Stage": Inputs(
        "cacheClusterEnabled",
        {
            NAMES: "stageName description documentationVersion variables.*",
            PLACE: "restApi deployment canarySettings.*",
            ACCESS: "clientCertificateId",
            "part of the cache, which is NOT PRICED": "cacheClusterSize",
        },
        {"logs bill by the GB": "accessLogSettings.*", "traces bill by the trace": "xrayTracingEnabled"},
    ),
    "aws:apigateway/methodSettings:MethodSettings": Inputs(
        "settings.metricsEnabled",
        {
            PLACE: "methodPath restApi stageName",
            BEHAVIOUR: """settings.cacheDataEncrypted settings.cacheTtlInSeconds settings.cachingEnabled
            settings.requireAuthorizationForCacheControl settings.throttlingBurstLimit settings.throttlingRateLimit
            settings.unauthorizedCacheControlHeaderStrategy""",
        },
        {"logs bill by the GB": "settings.dataTraceEnabled settings.loggingLevel"},
    ),
    "aws:sfn/stateMachine:StateMachine": Inputs(
        "type",
        free={
            NAMES: "name namePrefix",
            ACCESS: "roleArn encryptionConfiguration.*",
            LIFE: "publish",
            "what its steps start bills where it is": "definition",
        },
        ignored={
            "logs bill by the GB": "loggingConfiguration.*",
            "traces bill by the trace": "tracingConfiguration.*",
        },
    ),
}

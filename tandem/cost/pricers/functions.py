"""Functions, what starts them, and the API in front of them."""

from decimal import Decimal

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, USED, Inputs
from ..model import UNKNOWN, Number, Resource
from ..units import HOURS_A_MONTH, MILLION
from .inputs import number, text
from .schedules import starts_a_month

FUNCTION = "aws:lambda/function:Function"

# Lambda keeps five long polls of up to 20 s at an empty SQS queue and they bill as requests (Lambda developer guide,
# "Using Lambda with Amazon SQS"). It's computed, not measured; `maximumConcurrency` doesn't lower it.
POLLERS = 5
POLLS_AN_HOUR = 3 * 60
# What a start by the clock is taken to use: a rule doesn't say which function it starts.
START_SECONDS = 2
START_GIGABYTES = Decimal("0.5")
_TASKS = "the tasks that it starts: how long they run nobody assumes"


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


def provisioned_concurrency(resource: Resource, bill: Bill) -> None:
    """Environments of a function that are kept ready bill its memory all month."""
    function = resource.source("functionName", FUNCTION)
    if function is None:
        bill.not_priced(
            "provisioned concurrency: it bills by its function's memory, and the function isn't in this preview",
            Number.IDLE,
        )
        return
    ready = number(resource, "provisionedConcurrentExecutions")
    gigabytes = number(function, "memorySize", 128) / 1024
    processor = "arm64" if function.get("architectures.0", "x86_64") == "arm64" else "x86"
    seconds = ready * gigabytes * HOURS_A_MONTH * 3600
    what = f"{ready:f} environments of {gigabytes:f} GB kept ready"
    bill.charge(Number.IDLE, what, "AWSLambda", f"provisioned:{processor}", seconds, hourly=True)


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
            rate = bill.rate("AWSEvents", "events:custom")
            bill.not_priced(f"events on a bus of its own, which no usage assumption counts: {rate}", Number.QUERIES)
    else:
        _starts(expression, starts_a_month(text(resource, "scheduleExpression")), bill)


def event_target(resource: Resource, bill: Bill) -> None:
    """What a rule starts: functions are counted with the rule, tasks and jobs nobody knows the length of."""
    if resource.shown("ecsTarget") is not None:
        bill.not_priced(_TASKS, Number.IDLE)
    elif resource.shown("batchTarget") is not None:
        bill.not_priced("the jobs that it starts: how long they run nobody assumes", Number.IDLE)
    else:
        bill.free("what it starts bills")


def _starts(expression: str, starts: Decimal, bill: Bill) -> None:
    """Charge a function that is started so often in a month."""
    bill.charge(Number.IDLE, f"starts, {expression}", "AWSLambda", "requests", starts / MILLION)
    seconds = starts * START_SECONDS * START_GIGABYTES
    what = f"run time of the starts, {START_SECONDS} s at 512 MB"
    bill.charge(Number.IDLE, what, "AWSLambda", "duration:arm64", seconds, assumed=True)


def schedule(resource: Resource, bill: Bill) -> None:
    """A schedule of EventBridge Scheduler bills its starts, and what it starts; a target that isn't known is taken to
    be a function, as a rule's is."""
    expression = text(resource, "scheduleExpression")
    if resource.get("state", "ENABLED") == "DISABLED":
        bill.free("disabled")
    elif expression.startswith("at("):
        bill.free("it starts something once")
    else:
        starts = starts_a_month(expression)
        millions = starts / MILLION
        bill.charge(Number.IDLE, f"starts, {expression}", "AWSEvents", "scheduler:invocations", millions)
        target = resource.shown("target.arn")
        if resource.shown("target.ecsParameters") is not None:
            bill.not_priced(_TASKS, Number.IDLE)
        elif target is None or target == UNKNOWN or ":lambda:" in str(target):
            _starts(expression, starts, bill)
        else:
            bill.note("what it starts bills for that, which isn't counted here")


def stage(resource: Resource, bill: Bill) -> None:
    """A stage of a REST API bills by the hour if it has a cache."""
    if resource.get("cacheClusterEnabled", False):
        size = text(resource, "cacheClusterSize")
        bill.hours(f"cache of {size} GB", "AmazonApiGateway", f"cache:{size}")
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
        bill.note(f"a run's state transitions aren't counted: {bill.rate('AmazonStates', 'transitions')}")
    else:
        rate = bill.rate("AmazonStates", "express:requests")
        bill.not_priced(f"requests, memory and time of Express runs, which nobody assumes: {rate}", Number.QUERIES)


PRICERS: dict[str, Pricer] = {
    FUNCTION: function,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": provisioned_concurrency,
    "aws:lambda/eventSourceMapping:EventSourceMapping": event_source,
    "aws:cloudwatch/eventRule:EventRule": event_rule,
    "aws:cloudwatch/eventTarget:EventTarget": event_target,
    "aws:scheduler/schedule:Schedule": schedule,
    "aws:apigateway/stage:Stage": stage,
    "aws:apigateway/methodSettings:MethodSettings": method_settings,
    "aws:sfn/stateMachine:StateMachine": state_machine,
}

_START = "moves what each start costs, which is taken to be what usage and the page on costs say"
INPUTS: dict[str, Inputs] = {
    FUNCTION: Inputs(
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
        "provisionedConcurrentExecutions", {PLACE: "functionName qualifier", LIFE: "skipDestroy"}
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
    "aws:cloudwatch/eventTarget:EventTarget": Inputs("ecsTarget.* batchTarget.*", {BEHAVIOUR: "*"}),
    "aws:scheduler/schedule:Schedule": Inputs(
        "scheduleExpression state target.arn target.ecsParameters.*",
        {
            NAMES: "name namePrefix description groupName",
            ACCESS: "kmsKeyArn target.roleArn",
            LIFE: "actionAfterCompletion",
            BEHAVIOUR: """flexibleTimeWindow.* scheduleExpressionTimezone target.deadLetterConfig.*
            target.eventbridgeParameters.* target.input target.kinesisParameters.* target.retryPolicy.*
            target.sagemakerPipelineParameters.* target.sqsParameters.*""",
        },
        {"before it begins and after it ends nothing is started": "startDate endDate"},
    ),
    "aws:apigateway/stage:Stage": Inputs(
        "cacheClusterEnabled cacheClusterSize",
        {
            NAMES: "stageName description documentationVersion variables.*",
            PLACE: "restApi deployment canarySettings.*",
            ACCESS: "clientCertificateId",
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

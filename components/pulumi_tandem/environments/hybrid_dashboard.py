"""CloudWatch dashboard of a hybrid environment."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import cloudwatch
from tandem_contract.names import Metric

from ..finetuning.inference_endpoint import VARIANT
from ..foundation.names import named, physical_name
from ..foundation.region import region_for
from ..foundation.rest_endpoint import STAGE
from .finetuning_environment import FineTuningEnvironment
from .rag_environment import RagEnvironment

COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # a dashboard is 24 wide
PERIOD_SECONDS = 300

Line = list[Any]


def hybrid_dashboard(
    name: str, rag: RagEnvironment, tuning: FineTuningEnvironment, *, served: bool, parent: pulumi.ComponentResource
) -> cloudwatch.Dashboard:
    """Questions, latency, documents, training runs and the guard; with `served`, also the endpoint and who wrote.

    A dashboard costs $3 a month beyond an account's three free ones. What it shows are AWS's own metrics, which are
    free, and the two that the query and the sweep write for their alarms.
    """
    graphs = [_questions(rag), _latency(rag)]
    if served:
        graphs += [_who_wrote(tuning), _endpoint(tuning), _gpu(tuning), _instances(tuning)]
    graphs += [_documents(rag), _training(tuning), _guard(tuning)]
    region = region_for(parent)
    widgets = [
        {
            "type": "metric",
            "x": at % COLUMNS * WIDTH,
            "y": at // COLUMNS * HEIGHT,
            "width": WIDTH,
            "height": HEIGHT,
            "properties": {"view": "timeSeries", "period": PERIOD_SECONDS, "region": region, **graph},
        }
        for at, graph in enumerate(graphs)
    ]
    return cloudwatch.Dashboard(
        name,
        dashboard_name=physical_name(name, 255),
        dashboard_body=pulumi.Output.json_dumps({"widgets": widgets}),
        opts=named(parent, "dashboard_name"),
    )


def _line(
    namespace: str, metric: str, dimensions: Mapping[str, pulumi.Input[str]], label: str, stat: str = "Sum", **more: Any
) -> Line:
    named = [text for dimension in dimensions.items() for text in dimension]
    return [namespace, metric, *named, {"label": label, "stat": stat, **more}]


def _questions(rag: RagEnvironment) -> dict[str, Any]:
    api = {"ApiName": rag.api_name, "Stage": STAGE}
    named = {"Count": "asked", "4XXError": "refused (4xx)", "5XXError": "failed (5xx)"}
    lines = [_line("AWS/ApiGateway", metric, api, label) for metric, label in named.items()]
    return {"title": "Questions", "metrics": lines}


def _latency(rag: RagEnvironment) -> dict[str, Any]:
    api = {"ApiName": rag.api_name, "Stage": STAGE}
    lines = [_line("AWS/ApiGateway", "Latency", api, each, each) for each in ("p50", "p95", "p99")]
    return {"title": "Latency, ms", "metrics": lines}


def _who_wrote(tuning: FineTuningEnvironment) -> dict[str, Any]:
    endpoint = {Metric.ENDPOINT: tuning.endpoint_name}
    lines = [
        [{"expression": "answers - hosted", "label": "tuned model"}],
        _line(Metric.NAMESPACE, Metric.FALLBACK, endpoint, "hosted model, as the fallback", id="hosted"),
        _line(Metric.NAMESPACE, Metric.FALLBACK, endpoint, "answers", "SampleCount", id="answers", visible=False),
    ]
    return {"title": "Answers, by who wrote them", "stacked": True, "metrics": lines}


def _variant(tuning: FineTuningEnvironment) -> dict[str, pulumi.Input[str]]:
    return {"EndpointName": tuning.endpoint_name, "VariantName": VARIANT}


def _endpoint(tuning: FineTuningEnvironment) -> dict[str, Any]:
    named = {"Invocations": "asked", "Invocation4XXErrors": "refused (4xx)", "Invocation5XXErrors": "failed (5xx)"}
    lines = [_line("AWS/SageMaker", metric, _variant(tuning), label) for metric, label in named.items()]
    latency = _line("AWS/SageMaker", "ModelLatency", _variant(tuning), "latency, p95, µs", "p95", yAxis="right")
    return {"title": "Endpoint", "metrics": [*lines, latency]}


def _gpu(tuning: FineTuningEnvironment) -> dict[str, Any]:
    named = {"GPUUtilization": "GPU", "GPUMemoryUtilization": "memory of the GPU"}
    lines = [
        _line("/aws/sagemaker/Endpoints", metric, _variant(tuning), label, "Average") for metric, label in named.items()
    ]
    return {"title": "GPUs, % of one", "metrics": lines}


def _instances(tuning: FineTuningEnvironment) -> dict[str, Any]:
    # Each instance tells its load once a minute (SageMaker developer guide, "Metrics in CloudWatch").
    told = _line(
        "/aws/sagemaker/Endpoints", "CPUUtilization", _variant(tuning), "told", "SampleCount", id="told", visible=False
    )
    counted = [{"expression": "told / (PERIOD(told) / 60)", "label": "instances"}]
    return {"title": "Instances of the endpoint", "metrics": [counted, told]}


def _documents(rag: RagEnvironment) -> dict[str, Any]:
    dead_letters = rag.dead_letter_queue_url.apply(lambda url: url.rsplit("/", 1)[-1])
    lines = [
        _line(
            Metric.NAMESPACE,
            Metric.OLDEST_UNINDEXED,
            {Metric.BUCKET: rag.documents_bucket},
            "oldest that waits, seconds",
            "Maximum",
        ),
        _line(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": dead_letters},
            "given up",
            "Maximum",
            yAxis="right",
        ),
    ]
    return {"title": "Documents", "metrics": lines}


def _training(tuning: FineTuningEnvironment) -> dict[str, Any]:
    machine = {"StateMachineArn": tuning.training_pipeline_arn}
    lines = [
        _line("AWS/States", f"Executions{outcome}", machine, outcome.lower())
        for outcome in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
    ]
    return {"title": "Training runs", "metrics": lines}


def _guard(tuning: FineTuningEnvironment) -> dict[str, Any]:
    function = {"FunctionName": tuning.guard_function}
    lines = [_line("AWS/Lambda", metric, function, metric.lower()) for metric in ("Invocations", "Errors", "Throttles")]
    return {"title": "Cost guard", "metrics": lines}

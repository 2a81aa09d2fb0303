"""API Gateway endpoint and Lambda function that answer questions."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import pulumi
from tandem_contract.bedrock_models import default_generator, place_remarks, remarks
from tandem_contract.checks import Checks
from tandem_contract.embedders import EMBEDDERS
from tandem_contract.fields import Table, variables
from tandem_contract.names import Metric, Variable
from tandem_contract.settings import QUERY_SETTINGS
from tandem_contract.usage import QUERY_MEMORY_MEGABYTES

from ..arguments import QueryApiArgs
from ..choices import Auth
from ..foundation.alarms import NEARLY_ALL, alarm
from ..foundation.arguments import valid
from ..foundation.arns import account_arn, table_arn
from ..foundation.bedrock import invoke_models
from ..foundation.existing import check_house
from ..foundation.function import Function, WatchedBy
from ..foundation.house_rules import HOUSE_RULES, check_house_rules, under_house_rules
from ..foundation.outputs import register
from ..foundation.policy import allow, read_secret
from ..foundation.region import region_of
from ..foundation.rest_endpoint import STAGE, RestEndpoint, RestEndpointArgs
from ..foundation.tags import TAGS, environment_tags
from .fields import (
    ALARM_TOPIC,
    ANSWERS,
    ASKERS,
    EMBEDDER_SECRET,
    check_askers,
    check_generator,
    check_models_here,
)
from .stores import USED, access_to, check_used
from .stores.base import Permission


def _rules(checks: Checks, args: Mapping[str, Any], _given: Mapping[str, Any]) -> None:
    check_house_rules(checks, args)
    check_used(checks, args)
    check_generator(checks, args)
    check_askers(checks, args)


QUERY = Table(
    "QueryApiArgs",
    "Arguments of `QueryApi`.",
    {
        **USED,
        **ANSWERS,
        "embedder_secret_arn": EMBEDDER_SECRET,
        **ASKERS,
        **HOUSE_RULES,
        "alarm_topic_arn": ALARM_TOPIC,
        "tags": TAGS,
    },
    _rules,
)


class QueryApi(pulumi.ComponentResource):
    """API Gateway endpoint `POST /query` and the Lambda function behind it, which retrieves, generates and cites.

    Creates the function with read access to the store, the REST endpoint in front of it, and three alarms, on errors,
    on hours without answers and on hours with few; with a tuned model's endpoint, also one on its silence.

    Idle cost: the alarms, $0.10 each a month; the last one's metric costs up to $0.30 a
    month, by the hours in which questions are answered.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    query_url: pulumi.Output[str]
    """URL to post questions to."""
    invoke_arn: pulumi.Output[str]
    """ARN for the `execute-api:Invoke` permission of who may ask."""
    api_name: pulumi.Output[str]
    """Name of the API, as its metrics have it."""

    def __init__(self, name: str, args: QueryApiArgs, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`."""

        def look(checks: Checks, values: dict[str, Any]) -> None:
            check_models_here(checks, values, opts)
            check_house(checks, values, opts)

        settings = valid("QueryApi", name, QUERY, args, look, opts=opts)
        region = region_of(opts)
        settings["generator"] = settings["generator"] or default_generator(region)
        super().__init__("tandem:index:QueryApi", name, {}, under_house_rules(opts, settings))
        named = map(remarks, (settings["generator"], settings["reranker"]))
        for remark in (*place_remarks(region), *chain.from_iterable(named)):
            pulumi.log.warn(remark, self)
        child = pulumi.ResourceOptions(parent=self)
        tags, ledger = environment_tags(name, settings["tags"]), settings["ledger_table"]
        store = access_to(settings, f"QueryApi {name!r}")
        endpoint_name, tuned = settings["endpoint_name"], []
        if endpoint_name:
            invoked = [account_arn("sagemaker", pulumi.Output.concat("endpoint/", endpoint_name), self)]
            if component := settings["inference_component"]:
                named = pulumi.Output.concat("inference-component/", component)
                invoked.append(account_arn("sagemaker", named, self))
            tuned = [allow(["sagemaker:InvokeEndpoint"], invoked)]
        reranking = []
        if reranker := settings["reranker"]:
            reranking = invoke_models([reranker], self)
        reading = store.grant(Permission.READ)
        function = Function(
            name,
            {
                "handler": "tandem.rag.functions.query.handler",
                "statements": [
                    allow(["dynamodb:GetItem", "dynamodb:BatchGetItem"], table_arn(ledger, self)),
                    *invoke_models([*EMBEDDERS, settings["generator"]], self),
                    *reranking,
                    *read_secret(settings["embedder_secret_arn"]),
                    *reading.statements,
                    *tuned,
                ],
                "environment": {
                    Variable.LEDGER_TABLE: ledger,
                    Variable.TOP_K: "5",
                    **variables(QUERY_SETTINGS, settings),
                },
                "memory_megabytes": QUERY_MEMORY_MEGABYTES,
                "timeout_seconds": 28,
                "watched_by": WatchedBy.API,
                "tags": tags,
            },
            opts=child,
        )
        reading.for_role(self, name, function.role_arn)
        rest: RestEndpointArgs = {
            "route": "query",
            "auth": Auth(settings["auth"]),
            "requests_per_second": 20,
            "tags": tags,
        }
        if pool := settings["user_pool_arn"]:
            rest["user_pool_arn"] = pool
            rest["scopes"] = settings["user_pool_scopes"]
        endpoint = RestEndpoint(f"{name}-endpoint", function, rest, opts=child)
        # A function that raises, is out of time or throttled is a 5xx of the API's (API Gateway guide, "Handle Lambda
        # errors"; re:Post "api-gateway-5xx-error"). So is each question while search wakes, which nobody has to look
        # at: five are let through, and that after them comes none that is answered is for the second alarm, which also
        # sees a service that is seldom asked; the third one sees a few that fail all the time, which wakes don't. The
        # average of the metric is the share of all questions.
        for suffix, statistic, threshold, seconds, periods, needed, description in (
            ("errors", "Sum", 5, 300, 1, None, "More than five questions in five minutes failed."),
            (
                "unanswered",
                "Average",
                NEARLY_ALL,
                3600,
                1,
                None,
                "Of an hour's questions nearly all failed, or the only one.",
            ),
            ("failing", "Average", 0.5, 300, 12, 8, "For most of an hour, most questions have failed."),
        ):
            alarm(
                f"{name}-{suffix}",
                namespace="AWS/ApiGateway",
                metric="5XXError",
                dimensions={"ApiName": endpoint.api_name, "Stage": STAGE},
                statistic=statistic,
                threshold=threshold,
                period_seconds=seconds,
                periods=periods,
                needed=needed,
                description=f"{description} The query function's log has the reasons.",
                topic_arn=settings["alarm_topic_arn"],
                tags=tags,
                parent=self,
            )
        if endpoint_name:
            # Over two periods: a model that comes back from zero takes up to one, which nobody has to look at.
            alarm(
                f"{name}-fallback",
                namespace=Metric.NAMESPACE,
                metric=Metric.FALLBACK,
                dimensions={Metric.ENDPOINT: endpoint_name},
                statistic="Average",
                threshold=0.5,
                period_seconds=900,
                periods=2,
                description="For half an hour the hosted model has written most answers: the tuned one is cold, gone "
                "or failing. The function's log has the reasons, as `fallback`.",
                topic_arn=settings["alarm_topic_arn"],
                tags=tags,
                parent=self,
            )
        self.query_url, self.invoke_arn, self.api_name = endpoint.url, endpoint.invoke_arn, endpoint.api_name
        register(self)

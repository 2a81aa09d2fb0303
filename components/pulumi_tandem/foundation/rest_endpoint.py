"""API Gateway REST API with one POST route to a Lambda function."""

import hashlib
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import apigateway, lambda_

from ..choices import Auth
from .function import Function
from .outputs import register
from .tags import Tags

STAGE = "v1"
TIMEOUT_MILLISECONDS = 29_000  # API Gateway's own limit for a regional REST API


class RestEndpointArgs(TypedDict):
    """Arguments of `RestEndpoint`."""

    route: str
    """Last part of the URL."""
    auth: Auth
    """Who may call."""
    user_pool_arn: NotRequired[pulumi.Input[str]]
    """The Cognito user pool; needed for `jwt`."""
    scopes: NotRequired[Sequence[pulumi.Input[str]]]
    """With `jwt`: access tokens that have one of them are let in, in place of ID tokens."""
    requests_per_second: int
    """Sustained rate above which callers get 429; bursts may be twice that."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class RestEndpoint(pulumi.ComponentResource):
    """API Gateway REST API, regional, with one authorized, throttled POST route to a function, under the stage `v1`.

    REST, since it authorizes by IAM and JWT without further code and can stream responses later at the same URL.
    Creates API, resource, method, integration, permission, deployment, stage, throttle and, for JWT, an authorizer.

    Idle cost: none; $3.50 per million requests in us-east-1.
    """

    url: pulumi.Output[str]
    """URL of the route."""
    invoke_arn: pulumi.Output[str]
    """ARN for an `execute-api:Invoke` permission."""
    api_name: pulumi.Output[str]
    """Name of the API, as its metrics have it."""

    def __init__(
        self, name: str, function: Function, args: RestEndpointArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("tandem:index:RestEndpoint", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags, by_token = args.get("tags"), args["auth"] is Auth.JWT
        api = apigateway.RestApi(name, endpoint_configuration={"types": "REGIONAL"}, tags=tags, opts=child)
        # A deployment is a snapshot of these. What each is made of is kept, so that below nothing of it is forgotten.
        shown: dict[str, dict[str, Any]] = {
            "resource": {"rest_api": api.id, "parent_id": api.root_resource_id, "path_part": args["route"]}
        }
        resource = apigateway.Resource(f"{name}-route", **shown["resource"], opts=child)
        shown["method"] = {
            "rest_api": api.id,
            "resource_id": resource.id,
            "http_method": "POST",
            "authorization": "COGNITO_USER_POOLS" if by_token else "AWS_IAM",
        }
        if by_token:
            shown["authorizer"] = {
                "rest_api": api.id,
                "type": "COGNITO_USER_POOLS",
                "provider_arns": [args["user_pool_arn"]],
            }
            authorizer = apigateway.Authorizer(f"{name}-tokens", **shown["authorizer"], opts=child)
            shown["method"]["authorizer_id"] = authorizer.id
            if scopes := args.get("scopes"):
                shown["method"]["authorization_scopes"] = scopes
        method = apigateway.Method(f"{name}-post", **shown["method"], opts=child)
        shown["integration"] = {
            "rest_api": api.id,
            "resource_id": resource.id,
            "http_method": method.http_method,
            "type": "AWS_PROXY",
            "integration_http_method": "POST",
            "uri": function.invoke_arn,
            "timeout_milliseconds": TIMEOUT_MILLISECONDS,
        }
        integration = apigateway.Integration(f"{name}-integration", **shown["integration"], opts=child)
        lambda_.Permission(
            f"{name}-permission",
            action="lambda:InvokeFunction",
            function=function.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(api.execution_arn, f"/{STAGE}/POST/{args['route']}"),
            opts=child,
        )
        deployment = apigateway.Deployment(
            f"{name}-deployment",
            rest_api=api.id,
            # It is made anew when anything of it has changed: until then the stage would show what it was, an old user
            # pool's tokens included (API Gateway guide, "Redeploy a REST API to a stage").
            triggers={"shown": pulumi.Output.json_dumps(shown, sort_keys=True).apply(_digest)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[method, integration]),
        )
        stage = apigateway.Stage(
            f"{name}-stage", rest_api=api.id, deployment=deployment.id, stage_name=STAGE, tags=tags, opts=child
        )
        apigateway.MethodSettings(
            f"{name}-throttle",
            rest_api=api.id,
            stage_name=stage.stage_name,
            method_path="*/*",
            settings={
                "throttling_rate_limit": args["requests_per_second"],
                "throttling_burst_limit": 2 * args["requests_per_second"],
                # The alarms and the dashboard use those by API and stage, which are free; those by method bill.
                "metrics_enabled": False,
            },
            opts=child,
        )
        self.url = pulumi.Output.concat(stage.invoke_url, f"/{args['route']}")
        self.invoke_arn = pulumi.Output.concat(api.execution_arn, f"/{STAGE}/POST/{args['route']}")
        self.api_name = api.name
        register(self)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""What these credentials can do in a region: who they are, whether Bedrock is there, and access to the models.

Every call only reads, and none is billed.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from tandem_contract.bedrock_models import APPLICATION, FORM, PROFILE, ModelId, parse
from tandem_contract.model_url import is_model_url

from tandem.clients import aws, aws_errors
from tandem.clients.doctor import OK, PROBLEM, UNKNOWN, WARNING, Finding
from tandem.runtime.clients import is_transient

PROMPT = {"connect_timeout": 2, "read_timeout": 3, "retries": {"total_max_attempts": 1}}
ABSENT = ("ResourceNotFoundException", "ValidationException")
ACCESS = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html"


def region(of_stack: str | None) -> Finding:
    """Whether the stack's region, or else the shell's, is one, and has Bedrock; whether the shell's is another."""
    return asked(lambda: _region(of_stack))


def _region(of_stack: str | None) -> Finding:
    used, shell = of_stack or aws.region(), aws.shell_region()
    if why := aws_errors.unknown_region(used):
        where = "aws:region of the stack" if of_stack else "AWS_REGION or the profile"
        return Finding(PROBLEM, f"{why.problem} ({where})", why.remedy)
    if used not in aws.regions("bedrock"):
        return Finding(PROBLEM, f"{used} has no Bedrock, as far as this AWS SDK knows", "choose another region.")
    if of_stack and shell not in (None, used):
        return Finding(
            WARNING,
            f"{used} is the stack's; the shell's is {shell}",
            f"commands use the stack's; for other tools `export AWS_REGION={used}`.",
        )
    return Finding(OK, f"{used}, the stack's" if of_stack else used)


def credentials(used: str) -> Finding:
    """Who AWS says that we are: this also tells whether it can be reached."""
    return asked(lambda: _identity(aws.client("sts", used, **PROMPT)))


def model(name: str, used: str, writes: bool = False) -> Finding:
    """Whether the account may use a model of Bedrock, as far as can be told without a call that is billed; also
    whether it writes texts, if it is to."""
    if is_model_url(name):
        return Finding(UNKNOWN, f"{name}: no model of Bedrock's, not looked at")
    if not (found := parse(name)):
        return Finding(PROBLEM, f"{name} names no model of Bedrock's", "give a model's id, a profile's, or an ARN.")
    instead = os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "")
    if aws_errors.is_local(instead):
        return Finding(OK, f"{name}: {instead} answers in Bedrock's place")
    if not found.model and found.kind != APPLICATION:
        return Finding(UNKNOWN, f"{name}: a model of the account's own, not looked at")
    return asked(lambda: _access(aws.client("bedrock", used, **PROMPT), found, used, writes))


def _identity(sts: Any) -> Finding:
    found = sts.get_caller_identity()
    where = f" at {sts.meta.endpoint_url}" if aws_errors.is_local(sts.meta.endpoint_url) else ""
    return Finding(OK, f"account {found['Account']}{where}, {found['Arn']}")


def _access(bedrock: Any, asked: ModelId, used: str, writes: bool) -> Finding:
    name, model, profiled = asked.id, asked.model, asked.kind in (PROFILE, APPLICATION)
    if profiled:
        profile = _there(lambda: bedrock.get_inference_profile(inferenceProfileIdentifier=name))
        if profile is None:
            remedy = "take the model's profile of this geography (us., eu., apac., ...), or a region of that one."
            if asked.kind == APPLICATION:
                remedy = "give the ARN of one of this account and region (`aws bedrock list-inference-profiles`)."
            return Finding(PROBLEM, f"{name} is no inference profile in {used}", remedy)
        if not profile["models"]:
            return Finding(UNKNOWN, f"{name}: Bedrock doesn't say which model is behind it")
        model = model or profile["models"][0]["modelArn"].rpartition("/")[2]
    found = _there(lambda: bedrock.get_foundation_model_availability(modelId=model))
    if found is None:
        return Finding(PROBLEM, f"{name} is no model of Bedrock in {used}", "correct the id, or choose another region.")
    if found["regionAvailability"] != "AVAILABLE" and not profiled:
        return Finding(PROBLEM, f"{name} isn't in {used}", "take an inference profile's id, or another region.")
    if found["agreementAvailability"]["status"] != "AVAILABLE":
        remedy = f"call it once as someone who may subscribe at AWS Marketplace; Anthropic's want a form ({ACCESS})."
        return Finding(PROBLEM, f"{name}: the account has no agreement for it", remedy)
    if found["authorizationStatus"] != "AUTHORIZED" or found["entitlementAvailability"] != "AVAILABLE":
        return Finding(PROBLEM, f"{name}: the account isn't allowed to use it", f"ask AWS Support ({ACCESS}).")
    if model.partition(".")[0] in FORM and _there(bedrock.get_use_case_for_model_access) is None:
        remedy = f"give it in the console, or by PutUseCaseForModelAccess ({ACCESS})."
        return Finding(PROBLEM, f"{name}: the account hasn't given Anthropic's form about the use case", remedy)
    return _as_asked(name, bedrock.get_foundation_model(modelIdentifier=model)["modelDetails"], profiled, writes)


def _there(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What a call answers; None where what it asks about isn't there."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        return None


def _as_asked(name: str, details: Mapping[str, Any], profiled: bool, writes: bool) -> Finding:
    """What is known of a model that the account may use: whether it writes texts, by this id, and for how long."""
    given, by = details.get("outputModalities", []), details.get("inferenceTypesSupported", [])
    if writes and given and "TEXT" not in given:
        remedy = "choose a model that writes texts (docs/generators.md)."
        return Finding(PROBLEM, f"{name} gives {', '.join(given).lower()}, no texts", remedy)
    if not profiled and by and "ON_DEMAND" not in by:
        remedy = "take the id of one (`aws bedrock list-inference-profiles`)."
        return Finding(PROBLEM, f"{name} is served through inference profiles alone", remedy)
    lifecycle = details.get("modelLifecycle", {})
    if lifecycle.get("status") == "LEGACY":
        ends = lifecycle.get("endOfLifeTime")
        until = f", until {ends:%Y-%m-%d}" if ends else ""
        return Finding(WARNING, f"{name}: access, as Bedrock says; a legacy model{until}", "take another.")
    return Finding(OK, f"{name}: access, as Bedrock says")


def asked(call: Callable[[], Finding]) -> Finding:
    """What a call finds, or what its error means: a refusal to look, or throttling, is no problem, and no answer
    either."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except (BotoCoreError, ClientError) as error:
        found = aws_errors.explain(error)
        passes = isinstance(error, ClientError) and is_transient(error)
        state = UNKNOWN if passes or found.remedy == aws_errors.NOT_ALLOWED else PROBLEM
        return Finding(state, found.problem, found.remedy)

"""What policy documents of AWS say: who is let in, what they may do, on what, and whether a condition narrows it.

The one reader of them, for every rule. Names of elements, actions and condition keys are read in any case, as IAM reads
them; a value may be one or a list; a document may be JSON text or a mapping. Elements are read when they decide, so an
unknown resource is no matter where the principal says all. What "everybody" is follows S3's meaning of "public"
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html), for other services too.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .networks import narrow

FETCHES_FOR_ANYBODY = "cloudfront.amazonaws.com"
"""A service that gives the world what it is let in to, in a distribution of any account."""
ONLY_WILDCARDS = re.compile(r"[*?:/]+")
FIXED = re.compile(r"[^*?$]+")
CALLERS = {  # keys that say who calls or from where, and what a value has to be to narrow that
    **dict.fromkeys(("aws:sourceaccount", "aws:sourceowner", "aws:principalaccount", "aws:vpceaccount"), FIXED),
    **dict.fromkeys(
        ("kms:calleraccount", "s3:dataaccesspointaccount", "aws:userid", "aws:principalservicename"), FIXED
    ),
    **dict.fromkeys(("aws:principalorgid", "aws:sourceorgid", "aws:vpceorgid"), FIXED),
    **dict.fromkeys(("aws:sourcevpc", "aws:sourcevpce", "s3:x-amz-server-side-encryption-aws-kms-key-id"), FIXED),
    **dict.fromkeys(  # the account is fixed, or a bucket's name, which is one of its kind
        ("aws:sourcearn", "aws:principalarn", "s3:dataaccesspointarn"),
        re.compile(r"arn:[\w-]+:[\w-]+:[^:]*:\d{12}:.+|arn:[\w-]+:s3:[^:]*:[^:]*:[^:*?$/]+(/.*)?"),
    ),
    **dict.fromkeys(("aws:principalorgpaths", "aws:sourceorgpaths", "aws:vpceorgpaths"), re.compile(r"o-[a-z0-9]+/.*")),
    "sns:endpoint": re.compile(r"[^$]*\w[^$]*"),
    "elasticfilesystem:accessedviamounttarget": re.compile("true"),
}
DEMANDING = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress", "bool")
"""Operators that a value which isn't there doesn't meet: no denial, no ...IfExists, ForAllValues or Null."""
BY_SERVICES_TOO = {"aws:viaawsservice": "false", "aws:principalisawsservice": "false"}
"""Tests beside a denial's own that spare AWS's services alone."""
SHARED_ISSUERS = re.compile(r"(token\.actions\.githubusercontent\.com|gitlab\.com|app\.terraform\.io|oidc\.eks\.).*")
"""Issuers of tokens for many owners, of which the audience tells none apart."""
OWNER = re.compile(r"\w+:[^:/*?$]+[:/].*|[^:*?$]+")
CHANGING = re.compile(
    r"[*?]|(batch)?(add|assume|attach|authorize|create|delete|detach|modify|pass|purge|put|remove|reset|restore|revoke|set"
    r"|terminate|update|write)",
    re.IGNORECASE,
)
"""What the verb of a pattern begins with that changes things."""
TELEMETRY = ("logs", "xray", "cloudwatch", "ssmmessages", "ec2messages")
SENSITIVE = (
    *("iam:PassRole", "sts:AssumeRole", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"),
    *(f"iam:{verb}{whom}Policy" for verb in ("Attach", "Put") for whom in ("User", "Group", "Role")),
    *("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:AddUserToGroup"),
    *("iam:UpdateAssumeRolePolicy", "lambda:UpdateFunctionCode", "kms:Decrypt", "kms:ReEncryptFrom"),
    *("ssm:SendCommand", "ssm:StartSession", "ecs:ExecuteCommand", "ec2-instance-connect:SendSSHPublicKey"),
    *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteBucket", "s3:PutBucketPolicy"),
    *("secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"),
    *("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:DeleteItem", "dynamodb:DeleteTable"),
)
"""Actions that on everything give data, secrets or somebody else's permissions (cloudsplaining's kinds of findings)."""
SAYS_NOTHING_OF_WHAT = {"sts:externalid", "sts:rolesessionname", "ec2:region"}


class Statement:
    """One statement; elements that aren't there are empty."""

    def __init__(self, given: Mapping) -> None:
        self._given = given
        self._names = {str(name).lower(): name for name in given}

    def __contains__(self, element: str) -> bool:
        return element.lower() in self._names

    def get(self, element: str) -> Any:
        """An element as it stands. Raises if it is unknown."""
        return self._given[self._names[element.lower()]] if element in self else None

    def values(self, element: str) -> list[str]:
        """An element's values, be it one or a list."""
        return _texts(self.get(element))

    @property
    def allows(self) -> bool:
        """Whether it allows."""
        return self.get("Effect") == "Allow"

    @property
    def denies(self) -> bool:
        """Whether it denies."""
        return self.get("Effect") == "Deny"

    def tests(self) -> Iterator[tuple[str, str, list[str]]]:
        """Its condition: operator and key in small letters, and the values."""
        for operator, keys in _items(self.get("Condition")):
            for key, values in _items(keys):
                yield str(operator).lower(), str(key).lower(), _texts(values)

    def listed(self, element: str) -> str:
        """An element's values as a text."""
        return ", ".join(self.values(element))


def statements(document: Any) -> list[Statement]:
    """The statements of a document, be it text or a mapping; none of what is neither, which AWS refuses itself."""
    read = parsed(document)
    names = {str(name).lower(): name for name in read} if isinstance(read, Mapping) else {}
    found = read[names["statement"]] if "statement" in names else ()
    return [Statement(each) for each in ([found] if isinstance(found, Mapping) else found) if isinstance(each, Mapping)]


def parsed(value: Any) -> Any:
    """What a JSON document says, text or not; None if it is neither."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None


def open_statements(document: Any) -> Iterator[Iterator[Statement]]:
    """The statements that let everybody in; each is decided by itself."""
    found = statements(document)

    def decided(statement: Statement) -> Iterator[Statement]:
        if statement.allows and _anybody(statement) and not any(_closes(each, statement) for each in found):
            yield statement

    yield from map(decided, found)


def everyone(principal: str) -> bool:
    """Whether a principal is everybody, or somebody of any account."""
    parts = principal.split(":", 5)
    return bool(ONLY_WILDCARDS.fullmatch(principal)) or (parts[0] == "arn" and len(parts) > 4 and "*" in parts[4])


def refuses_plain_requests(document: Any) -> bool:
    """Whether a bucket's policy denies everybody everything without TLS, in one statement or some together."""
    found = [each for each in statements(document) if each.denies and _all_callers(each) and _without_tls(each)]
    found = [each for each in found if any(action.lower() in ("*", "s3:*") for action in each.values("Action"))]
    on = [resource for each in found for resource in each.values("Resource")]
    whole = any(each.endswith("*") and not each.endswith("/*") for each in on)
    return whole or (any(each.endswith("/*") for each in on) and any("/" not in each for each in on))


def broad_grants(statement: Statement) -> Iterator[str]:
    """What of an identity's statement is too much on everything."""
    if not statement.allows:
        return
    actions = [action for action in statement.values("Action") if _too_much(action)]
    if not actions and "NotAction" not in statement:
        return
    if "NotResource" in statement:
        where = "" if "*" in statement.values("NotResource") else f"everything but {statement.listed('NotResource')}"
    else:
        where = next((each for each in statement.values("Resource") if _everything(each)), "")
    if not where or _limited(statement):
        return
    if "NotAction" in statement:
        yield f"a statement allows everything but {statement.listed('NotAction')} on {where}"
    for action in actions:
        yield f"a statement allows {action} on {where}"


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    many = isinstance(value, Sequence) and not isinstance(value, str)
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in (value if many else [value])]


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from ((key, value[key]) for key in value)


def _principals(statement: Statement) -> Iterator[tuple[str, str]]:
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        yield from ((str(kind).lower(), each) for kind, given in _items(principal) for each in _texts(given))
    else:
        yield from (("aws", each) for each in _texts(principal))


def _all_callers(statement: Statement) -> bool:
    return any(kind in ("aws", "*") and ONLY_WILDCARDS.fullmatch(each) for kind, each in _principals(statement))


def _anybody(statement: Statement) -> bool:
    if _narrowed(statement):
        return False
    if "NotPrincipal" in statement:
        return True
    return any(
        _federated(statement, each) if kind == "federated" else everyone(each) or each == FETCHES_FOR_ANYBODY
        for kind, each in _principals(statement)
    )


def _federated(statement: Statement, provider: str) -> bool:
    """Whether anybody whom a provider of identities knows is let in."""
    if ":saml-provider/" in provider:
        return False
    issuer = provider.split("oidc-provider/")[-1].lower()
    claims = [
        (key.removeprefix(f"{issuer}:"), values)
        for operator, key, values in statement.tests()
        if _demands(operator) and key.startswith(f"{issuer}:")
    ]
    if SHARED_ISSUERS.fullmatch(issuer):
        return not any(claim != "aud" and values and all(map(OWNER.fullmatch, values)) for claim, values in claims)
    return not any(values and not any(map(ONLY_WILDCARDS.fullmatch, values)) for _, values in claims)


def _demands(operator: str) -> bool:
    """Whether an operator is met only by a value that is there and like the given ones."""
    return operator.removeprefix("foranyvalue:") in DEMANDING


def _says_who(key: str, values: list[str]) -> bool:
    if key == "aws:sourceip":
        return bool(values) and narrow(values)
    return key in CALLERS and bool(values) and all(map(CALLERS[key].fullmatch, values))


def _narrowed(statement: Statement) -> bool:
    return any(_demands(operator) and _says_who(key, values) for operator, key, values in statement.tests())


def _closes(denial: Statement, allowed: Statement) -> bool:
    """Whether a statement denies what another allows to all but some: StringNotEquals, NotIpAddress and the like."""
    if not denial.denies or not _all_callers(denial):
        return False
    tests = [test for test in denial.tests() if BY_SERVICES_TOO.get(test[1]) != ",".join(test[2])]
    if len(tests) != 1 or "not" not in tests[0][0] or not _says_who(*tests[0][1:]):
        return False
    return _covers(denial, allowed, "Action") and _covers(denial, allowed, "Resource")


def _covers(wide: Statement, narrower: Statement, element: str) -> bool:
    patterns = [each.lower() for each in wide.values(element)] or ["*"]
    given = narrower.values(element) or ["*"]
    return all(any(fnmatchcase(each.lower(), pattern) for pattern in patterns) for each in given)


def _without_tls(statement: Statement) -> bool:
    tests = [test for test in statement.tests() if BY_SERVICES_TOO.get(test[1]) != ",".join(test[2])]
    if len(tests) != 1:
        return False
    operator, key, values = tests[0]
    plain = key == "aws:securetransport" and operator.startswith("bool") and values == ["false"]
    return plain or (key == "s3:tlsversion" and operator.startswith("numericlessthan") and values[0] >= "1.2")


def _too_much(action: str) -> bool:
    """Whether an action, or one of its pattern, is too much on everything."""
    service, _, verb = action.partition(":")
    if ONLY_WILDCARDS.fullmatch(verb or service) or any(
        fnmatchcase(each.lower(), action.lower()) for each in SENSITIVE
    ):
        return True
    return ("*" in verb or "?" in verb) and service.lower() not in TELEMETRY and bool(CHANGING.match(verb))


def _everything(resource: str) -> bool:
    """Whether a pattern is all resources, or all of a service or kind."""
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return bool(ONLY_WILDCARDS.fullmatch(resource.removeprefix("arn:aws").removeprefix("arn")))
    kind = "" if parts[2] == "s3" else r"([a-z-]+[/:])?"  # what stands there in S3 is a bucket's name
    return bool(re.fullmatch(rf"{kind}[*?:/]+", parts[5]))


def _limited(statement: Statement) -> bool:
    """Whether a condition says on what or for what: a service's own key, or a tag."""
    return any(
        _demands(operator)
        and (not key.startswith("aws:") or key.startswith(("aws:resourcetag/", "aws:requesttag/", "aws:calledvia")))
        and key not in SAYS_NOTHING_OF_WHAT
        and bool(values)
        and not any(map(ONLY_WILDCARDS.fullmatch, values))
        for operator, key, values in statement.tests()
    )

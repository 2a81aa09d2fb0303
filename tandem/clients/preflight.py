"""What one stack needs of its account and region, by its preview: features, instances, quotas, roles, principals.

Every call only reads, and none is billed. What nobody answers is unknown, and never ok.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tandem_contract.arns import partition_of
from tandem_contract.envelope import RunEnvelope
from tandem_contract.names import UNASKED

from tandem.clients import account, aws, aws_errors, engine_words
from tandem.clients.doctor import OK, PROBLEM, UNKNOWN, WARNING, Check, Finding
from tandem.cost.model import Resource
from tandem.cost.preview import Read
from tandem.cost.prices import NoPrice, NotOffered, NotPriced, load
from tandem.cost.usage import content_of, envelope_of, is_envelope
from tandem.finetuning.backends.eks.quotas import quotas as node_quotas
from tandem.finetuning.backends.sagemaker.quotas import quotas as job_quotas
from tandem.finetuning.backends.serving import ENDPOINT_USAGE, Serving
from tandem.runtime.quotas import Quotas, listed

PATIENT = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 3}}
"""Arguments of the clients: SageMaker's quotas are some twenty pages."""
SECONDS = 90.0
"""For all of them, side by side."""
NOT_HERE = "not answerable here: the local cloud stands in for AWS"
ON_AWS = "ask AWS itself: without the local cloud's environment, and with an account's credentials."
UNHEARD = ("UnknownOperationException", "UnknownOperation", "InvalidAction", "NotImplemented")
"""How services answer what they don't have; it can be an older release of theirs in a region."""
ABSENT = ("NoSuchEntity", "ResourceNotFoundException")
ENDPOINT, CONFIGURATION = (
    "aws:sagemaker/endpoint:Endpoint",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
)
DOMAIN, ENTRY = "aws:opensearch/domain:Domain", "aws:eks/accessEntry:AccessEntry"
GROUP = "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup"
COMPONENT = "AWS::SageMaker::InferenceComponent"
"""A type of Cloud Control's; all others are of pulumi-aws."""


class Feature(NamedTuple):
    """What not every region has, and the call that tells: it lists, and changes nothing."""

    title: str
    service: str
    """Its name in boto3."""
    question: str
    action: str
    """What it takes to ask."""
    otherwise: str
    """What to do where it isn't."""
    within: str = ""
    """What the answer doesn't tell, and who says it: with source and date."""


FEATURES = {
    GROUP: Feature(
        "OpenSearch Serverless NextGen",
        "opensearchserverless",
        "list_collection_groups",
        "aoss:ListCollectionGroups",
        "set tandem:store to domain, or choose another region.",
        "NextGen is in the commercial regions that have OpenSearch Serverless, by reports of its launch (2026-05-28)",
    ),
    "aws:sagemaker/mlflowApp:MlflowApp": Feature(
        "SageMaker's MLflow apps",
        "sagemaker",
        "list_mlflow_apps",
        "sagemaker:ListMlflowApps",
        "set tandem:tracking to server or none, or choose another region.",
    ),
    COMPONENT: Feature(
        "SageMaker's inference components, without which no endpoint scales to zero",
        "sagemaker",
        "list_inference_components",
        "sagemaker:ListInferenceComponents",
        "set tandem:endpointMode to steady, or choose another region.",
    ),
    "aws:eks/cluster:Cluster": Feature(
        "EKS", "eks", "list_clusters", "eks:ListClusters", "set tandem:trainingBackend to sagemaker."
    ),
}
"""By the type of the resource that needs it."""


class ServiceRole(NamedTuple):
    """A role that AWS makes in an account when a service is first used, if who uses it may let it."""

    name: str
    service: str


SERVICE_ROLES = {
    # By the pages "Using service-linked roles" of the services, as in docs/deployer-policy-*.json, read 2026-11.
    GROUP: ServiceRole("AWSServiceRoleForAmazonOpenSearchServerless", "observability.aoss.amazonaws.com"),
    "aws:eks/cluster:Cluster": ServiceRole("AWSServiceRoleForAmazonEKS", "eks.amazonaws.com"),
    "aws:eks/nodeGroup:NodeGroup": ServiceRole("AWSServiceRoleForAmazonEKSNodegroup", "eks-nodegroup.amazonaws.com"),
    "aws:appautoscaling/target:Target": ServiceRole(
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        "sagemaker.application-autoscaling.amazonaws.com",
    ),
}
"""By the type of the resource whose first one makes it."""
SPOT_ROLE = ServiceRole("AWSServiceRoleForEC2Spot", "spot.amazonaws.com")
"""Which Karpenter would make, and may not."""


def checks(read: Read, client: Callable[[str], Any]) -> dict[str, Check]:
    """The checks of what a preview would make, by name; `client` gives a client of an AWS service in its region."""
    after = [change.after for change in read.changes if change.after]
    types = {_type(resource) for resource in after}
    found: dict[str, Check] = {}
    for type_, feature in FEATURES.items():
        if type_ in types:
            found[feature.title.partition(",")[0]] = lambda it=feature: _feature(client, read.region, it)
    envelopes = list(_envelopes(after))
    serving = _serving(read, after)
    hours = [("training", name) for it in envelopes for name in (it.instance_type, it.evaluation_instance_type)]
    hours += [("hosting", name) for name in serving]
    for kind, instance in dict.fromkeys(hours):
        if instance.startswith("ml."):
            found[f"{instance} for {kind}"] = lambda kind=kind, name=instance: _sold(read.region, kind, name)
        else:
            found[instance] = lambda name=instance: _offered(client, read.region, name)
    for resource in after:
        if resource.type == DOMAIN:
            found[f"domain {resource.name}"] = lambda it=resource: _domain(client, read.region, it)
        elif resource.type == ENTRY and str(who := resource.inputs.get("principalArn")).startswith("arn:"):
            found[f"principal {who}"] = lambda arn=who: _principal(client, str(arn))
    wanted = [job_quotas(it) if it.instance_type.startswith("ml.") else node_quotas(it) for it in envelopes]
    if serving:
        names = {f"{name}{ENDPOINT_USAGE}": count for name, (count, _) in serving.items()}
        wanted.append(Quotas("sagemaker", "SageMaker", names))
    listings = _Listings(client)
    for quotas in wanted:
        for name, count in quotas.wanted.items():
            _, later = serving.get(name.removesuffix(ENDPOINT_USAGE), (0, 0))
            found[f"quota {name}"] = lambda it=quotas, name=name, count=count, later=later: _quota(
                listings, it, name, count, later
            )
    roles = [role for type_, role in SERVICE_ROLES.items() if type_ in types]
    for role in roles:
        found[role.name] = lambda it=role: _role(client, it, WARNING)
    if any(it.spot and not it.instance_type.startswith("ml.") for it in envelopes):
        found[SPOT_ROLE.name] = lambda: _role(client, SPOT_ROLE, PROBLEM)
    return found


def warned(read: Read) -> dict[str, Finding]:
    """What the preview warns of, by number: what it couldn't look at is unknown, and what AWS refused is named."""
    found: dict[str, Finding] = {}
    for number, text in enumerate(read.warnings, 1):
        name = f"preview {number}"
        what, unasked, reason = text.removeprefix(UNASKED).partition(" (")
        if not text.startswith(UNASKED):
            found[name] = Finding(WARNING, engine_words.plain(text))
        elif unasked and (action := engine_words.refused(reason)):
            found[name] = Finding(UNKNOWN, f"{what}: not allowed: {action}", aws_errors.NOT_ALLOWED)
        else:
            found[name] = Finding(UNKNOWN, engine_words.plain(text))
    return found


def _type(resource: Resource) -> str:
    if resource.type == "aws:cloudcontrol/resource:Resource":
        return str(resource.inputs.get("typeName"))
    return resource.type


def _envelopes(resources: Iterable[Resource]) -> Iterator[RunEnvelope]:
    """The limits of runs; those that can't be read `tandem cost` says."""
    for resource in resources:
        if is_envelope(resource):
            try:
                yield envelope_of(content_of(resource))
            except NotPriced:
                continue


def _serving(read: Read, after: Iterable[Resource]) -> dict[str, tuple[int, int]]:
    """Instances that serve, by type: as many as this deployment takes, and as many as the next model's will."""
    updated = any(it.before and it.after and it.op != "same" for it in read.changes if _is(it.after, ENDPOINT))
    found: dict[str, tuple[int, int]] = {}
    for resource in after:
        for variant in resource.inputs.get("productionVariants") or () if resource.type == CONFIGURATION else ():
            if not str(name := variant.get("instanceType")).startswith("ml."):
                continue
            most = int((variant.get("managedInstanceScaling") or {}).get("maxInstanceCount") or 0)
            count = most - 1 if most else int(variant.get("initialInstanceCount") or 1)
            serving = Serving(name, count, scales_to_zero=bool(most))
            now, then = found.get(name, (0, 0))
            found[name] = now + serving.taken(again=updated), then + serving.taken(again=True)
    return found


def _is(resource: Resource | None, type_: str) -> bool:
    return resource is not None and resource.type == type_


def _answered(service: Any, ask: Callable[[], Finding]) -> Finding:
    """What AWS says by a client; unknown where something else answers in its place."""
    if aws_errors.is_local(service.meta.endpoint_url):
        return Finding(UNKNOWN, NOT_HERE, ON_AWS)
    return account.asked(ask)


def _feature(client: Callable[[str], Any], region: str, feature: Feature) -> Finding:
    from botocore.exceptions import ClientError, EndpointConnectionError

    service = client(feature.service)

    def ask() -> Finding:
        try:
            getattr(service, feature.question)()
        except EndpointConnectionError:
            if region in aws.regions(feature.service):
                raise
            return Finding(PROBLEM, f"{region} has no endpoint of {feature.service}", feature.otherwise)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in UNHEARD:
                return Finding(PROBLEM, f"{feature.service} of {region} doesn't know it ({code})", feature.otherwise)
            if code.startswith("AccessDenied"):
                return Finding(UNKNOWN, f"not allowed: {feature.action}", aws_errors.NOT_ALLOWED)
            raise
        if not feature.within:
            return Finding(OK, f"{region} answers")
        # Commercial is what no other name says of itself.
        known = region in aws.regions(feature.service) and partition_of(region) == "aws"
        return Finding(OK if known else UNKNOWN, f"{feature.service} answers in {region}; {feature.within}")

    return _answered(service, ask)


def _sold(region: str, kind: str, instance: str) -> Finding:
    """Whether SageMaker has an instance in a region: by the dated price rows, since it has no call that says so."""
    try:
        row = load(region).price("AmazonSageMaker", f"{kind}:{instance}")
    except NotOffered as error:
        return Finding(PROBLEM, str(error), "choose another instance, or another region.")
    except NoPrice as error:
        return Finding(UNKNOWN, f"SageMaker doesn't tell where it has which instance, and {error}")
    return Finding(OK, f"sold in {region} ({row.source}, {row.read_at})")


def _offered(client: Callable[[str], Any], region: str, instance: str) -> Finding:
    ec2 = client("ec2")

    def ask() -> Finding:
        wanted = [{"Name": "instance-type", "Values": [instance]}]
        answer = ec2.describe_instance_type_offerings(LocationType="region", Filters=wanted)
        if answer["InstanceTypeOfferings"]:
            return Finding(OK, f"offered in {region}")
        return Finding(PROBLEM, f"{region} doesn't offer it", "choose another instance, or another region.")

    return _answered(ec2, ask)


def _domain(client: Callable[[str], Any], region: str, domain: Resource) -> Finding:
    instance = (domain.inputs.get("clusterConfig") or {}).get("instanceType")
    version = domain.inputs.get("engineVersion")
    if not isinstance(instance, str) or not isinstance(version, str):
        return Finding(UNKNOWN, "the preview doesn't tell its instance or its version")
    opensearch = client("opensearch")

    def ask() -> Finding:
        answer = opensearch.list_instance_type_details(EngineVersion=version, InstanceType=instance)
        if any(found["InstanceType"] == instance for found in answer["InstanceTypeDetails"]):
            return Finding(OK, f"{region} has {instance} for {version}")
        remedy = "set tandem:storeInstance to one of `aws opensearch list-instance-type-details`."
        return Finding(PROBLEM, f"{region} has no {instance} for {version}", remedy)

    return _answered(opensearch, ask)


class _Listings:
    """The quotas of services as Service Quotas lists them for the account, each service asked about once."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        import threading

        self.client, self._lock, self._known = client("service-quotas"), threading.Lock(), dict[str, Any]()

    def of(self, service: str) -> dict[str, dict[str, Any]]:
        """By name. Raises the SDK's errors, to everyone who asks."""
        with self._lock:  # the checks run side by side
            if service not in self._known:
                self._known[service] = listed(self.client, service)
            return self._known[service]


def _quota(listings: _Listings, quotas: Quotas, name: str, count: int, later: int) -> Finding:
    """Whether the account has `count`, and `later` for what comes after this deployment."""

    def ask() -> Finding:
        quota = listings.of(quotas.service).get(name)
        if quota is None:
            return Finding(UNKNOWN, "Service Quotas lists no value for it", f"look in the console: {quotas.title}.")
        has, needed = quota["Value"], max(count, later)
        most = f"{quotas.unit} {needed}".strip()
        remedy = f"aws service-quotas request-service-quota-increase --service-code {quotas.service}"
        remedy += f" --quota-code {quota['QuotaCode']} --desired-value {needed}"
        if has < count:
            return Finding(PROBLEM, f"the account has {has:g}, and the stack takes {count}", f"ask for more: {remedy}")
        if has < later:
            problem = f"the account has {has:g}, and a rollout of the next model takes {most}, old and new at once"
            return Finding(WARNING, problem, f"ask for more before it: {remedy}")
        return Finding(OK, f"{has:g}, and the stack takes {most}")

    return _answered(listings.client, ask)


def _role(client: Callable[[str], Any], role: ServiceRole, missing: str) -> Finding:
    from botocore.exceptions import ClientError

    iam = client("iam")

    def ask() -> Finding:
        try:
            iam.get_role(RoleName=role.name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ABSENT:
                raise
            by = f"once in the account: aws iam create-service-linked-role --aws-service-name {role.service}"
            if missing == WARNING:
                by += "; or let who deploys do iam:CreateServiceLinkedRole for it."
            return Finding(missing, "the account doesn't have it yet", by)
        return Finding(OK, "the account has it")

    return _answered(iam, ask)


def _principal(client: Callable[[str], Any], arn: str) -> Finding:
    """Whether a role or user that an access entry names is there: EKS refuses one that isn't."""
    from botocore.exceptions import ClientError

    iam, sts = client("iam"), client("sts")
    _, _, _, _, owner, resource = arn.split(":", 5)
    kind, _, path = resource.partition("/")

    def ask() -> Finding:
        if sts.get_caller_identity()["Account"] != owner:
            return Finding(UNKNOWN, f"account {owner} isn't this one, and only it can tell")
        if kind not in ("role", "user"):
            return Finding(UNKNOWN, f"a {kind} can't be looked up")
        try:
            name = path.rpartition("/")[2]
            _ = iam.get_role(RoleName=name) if kind == "role" else iam.get_user(UserName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ABSENT:
                raise
            return Finding(PROBLEM, f"there is no such {kind} in the account", "correct `admins` of tandem:cluster.")
        return Finding(OK, f"the {kind} is there")

    return _answered(iam, ask)

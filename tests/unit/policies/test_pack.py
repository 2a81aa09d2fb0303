"""The pack: every stack file passes it at its own level; levels, settings and remediation are what the page says."""

import json
import re
from pathlib import Path

import pulumi_aws
import pytest
import yaml
from pulumi_policy import EnforcementLevel, StackValidationArgs, StackValidationPolicy
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster
from tandem_policies.catalogue import RULES
from tandem_policies.foundations import NOT_CHECKED
from tandem_policies.levels import KINDS, kind_of
from tandem_policies.pack import policies

from scripts import aws_controls, policies_page
from scripts.recorder import ROOT, record, record_stack
from tests.unit.policies.judging import UNKNOWN, Thing, judge, stack

STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (ROOT / "stacks").glob("Pulumi.*.yaml"))
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/tuned/1"
LOG_GROUP, BUCKET = "aws:cloudwatch/logGroup:LogGroup", "aws:s3/bucket:Bucket"
BIG = Thing("aws:ec2/instance:Instance", {"instanceType": "g6e.12xlarge"})


def things(stack: str, preview: bool = False, **changed) -> list[Thing]:
    """Everything that a stack file registers."""
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    config |= {f"tandem:{key}": value for key, value in changed.items()}
    recorded = record_stack({key: str(value) for key, value in config.items()}, preview).resources
    return [Thing(each.type, each.inputs, each.name, each.references, each.protect) for each in recorded]


def mandatory(given: list[Thing], kind: str) -> dict[str, list[str]]:
    """What would block a stack of these things."""
    strict = [rule.name for rule in RULES if getattr(rule.levels, kind) == "mandatory"]
    reports = {name: judge(name, *given, kind=kind) for name in strict}
    blocking = {name: [each for each in found if not each.startswith("waits: ")] for name, found in reports.items()}
    return {name: found for name, found in blocking.items() if found}


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_passes_at_its_own_level(stack):
    assert mandatory(things(stack), kind_of(stack)) == {}


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_left_open_when_everything_is_known(stack):
    """What a first preview waits for, an update decides."""
    given = things(stack)
    assert [report for rule in RULES for report in judge(rule.name, *given) if report.startswith("waits: ")] == []


@pytest.mark.parametrize(
    ("stack", "changed"),
    [
        ("hybrid-dev", {"model": PACKAGE}),
        ("hybrid-dev", {"model": PACKAGE, "endpointMode": "zero", "endpointHours": 0}),
        ("finetune-prod", {"model": PACKAGE}),
        ("finetune-prod", {"model": PACKAGE, "endpointMode": "zero"}),
        ("rag-dev", {"store": "domain"}),
        ("hybrid-dev", {"auth": "jwt", "userPoolArn": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/u"}),
    ],
)
def test_a_promoted_model_and_other_doors_pass_too(stack, changed):
    assert mandatory(things(stack, **changed), kind_of(stack)) == {}


def test_a_cluster_of_defaults_takes_instances_that_dev_allows():
    recorded = record(lambda: GpuCluster("gpu", {})).resources
    given = [Thing(each.type, each.inputs, each.name, each.references, each.protect) for each in recorded]
    assert judge("instance-allowed", *given) == []


def test_a_production_stack_for_questions_passes():
    assert mandatory(things("rag-dev", retention="keep"), "prod") == {}


def test_an_erasing_stack_is_no_production_stack():
    assert {"data-protected"} <= mandatory(things("hybrid-dev"), "prod").keys()


def test_recorded_preview_of_a_cluster_is_judged():
    """A cluster as it should be, whose system nodes have no launch template and whose block is of p5.48xlarge."""
    preview = json.loads((ROOT / "tests" / "unit" / "cost" / "recorded_previews" / "cluster.json").read_text())
    states = [step["newState"] for step in preview["steps"]]
    given = [Thing(each["type"], each.get("inputs", {}), each["urn"].rsplit("::")[-1]) for each in states]
    found = {name: len(reports) for name, reports in mandatory(given, "dev").items()}
    assert found.pop("cost-tags") == 5  # three node groups, the cluster and its key
    assert found == {"budget-present": 3, "encrypted-at-rest": 2, "instance-allowed": 2}


@pytest.mark.parametrize(
    ("stack", "changed", "rule"),
    [
        ("finetune-dev", {"trainingInstance": "ml.p5.48xlarge"}, "instance-allowed"),
        ("finetune-dev", {"maxTrainingHours": "100"}, "run-envelope-bounded"),
        ("finetune-dev", {"attempts": 5}, "run-envelope-bounded"),
        ("finetune-dev", {"trainingInstances": 4}, "run-envelope-bounded"),
        ("finetune-dev", {"monthlyBudget": 0}, "budget-present"),
        ("finetune-dev", {"tracking": "server"}, "tracking-serverless"),
        ("finetune-dev", {"model": PACKAGE, "endpointHours": 0}, "endpoint-ends"),
        ("rag-dev", {"maxSearchOcu": 8}, "search-capacity-limited"),
        ("rag-dev", {"store": "domain", "storeInstance": "r7g.4xlarge.search"}, "instance-allowed"),
    ],
)
def test_a_bad_key_of_a_stack_file_is_blocked_by_its_rule_alone(stack, changed, rule):
    assert set(mandatory(things(stack, **changed), "dev")) == {rule}


@pytest.mark.parametrize(
    ("stack", "kind"),
    [("rag-dev", "dev"), ("dev", "dev"), ("me/tandem/hybrid-dev", "dev"), ("rag-prod", "prod"), ("", "prod"),
     ("trial", "prod"), ("develop", "prod")],
)  # fmt: skip
def test_the_name_of_a_stack_says_its_kind(stack, kind):
    assert kind_of(stack) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_policies_carry_what_the_rules_say(kind):
    for rule, policy in zip(RULES, policies(kind), strict=True):
        assert (policy.name, policy.description, policy.remediation_steps) == (rule.name, rule.what, rule.remedy)
        assert policy.enforcement_level == EnforcementLevel(getattr(rule.levels, kind))
        assert policy.severity.value == rule.severity and policy.url.startswith("https://")
        assert isinstance(policy, StackValidationPolicy) == rule.whole_stack
        assert set(policy.config_schema.properties if policy.config_schema else ()) == set(rule.settings)


def test_types_are_those_of_pulumi_aws():
    known = Path(pulumi_aws.__file__).read_text()
    aws = {type_ for rule in RULES for type_ in rule.types if not type_.startswith("kubernetes:")}
    assert [type_ for type_ in aws if f'"{type_}"' not in known] == []


POLICY_IN_JSON = re.compile(
    r'set\(__self__, "((assume_role|access|delivery_destination|inline|repository|resource)_)?polic(y|ies|y_document)"'
)
NO_RESOURCE_POLICIES = {  # policies in JSON that let nobody in: what they are instead
    "aws:acmpca/permission:Permission": "what AWS answers",
    "aws:cloudwatch/logAccountPolicy:LogAccountPolicy": "what is masked, indexed or forwarded",
    "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy": "what is masked",
    "aws:cloudwatch/logIndexPolicy:LogIndexPolicy": "what is indexed",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "what goes out of a network",
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": "what goes out of a network",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "which images expire",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "less than the role",
    "aws:iot/policy:Policy": "what devices with a certificate may, in IoT alone",
    "aws:iot/policyAttachment:PolicyAttachment": "a name",
    "aws:lambda/codeSigningConfig:CodeSigningConfig": "what happens to code without a signature",
    "aws:networkmanager/coreNetworkPolicyAttachment:CoreNetworkPolicyAttachment": "routes",
    "aws:opensearch/serverlessLifecyclePolicy:ServerlessLifecyclePolicy": "how long indexes stay",
    "aws:resiliencehub/resiliencyPolicy:ResiliencyPolicy": "how soon a service is back",
    "aws:ses/receiptFilter:ReceiptFilter": "block or allow",
    "aws:sns/dataProtectionPolicy:DataProtectionPolicy": "what is masked",
    "aws:transfer/access:Access": "less than the role",
    "aws:transfer/user:User": "less than the role",
    "aws:verifiedaccess/endpoint:Endpoint": "Cedar, for who has logged in",
    "aws:verifiedaccess/group:Group": "Cedar, for who has logged in",
    "aws:vpclattice/authPolicy:AuthPolicy": "who of the networks of a service network",
}


def test_every_policy_in_json_of_pulumi_aws_is_read_or_named():
    readers = ("resource-policy-closed", "iam-not-everything", "search-private")
    read = {type_ for rule in RULES for type_ in rule.types if rule.name in readers}
    found = set()
    for file in Path(pulumi_aws.__file__).parent.glob("*/[!_]*.py"):
        text = file.read_text()
        if POLICY_IN_JSON.search(text) and (type_ := re.search(r"'(aws:[\w/]+:\w+)',\n +resource_name", text)):
            found.add(type_[1])
    assert found - read == set(NO_RESOURCE_POLICIES)


def test_every_control_of_aws_has_a_rule_or_a_reason():
    known = set(json.loads(aws_controls.NAMES.read_text())["controls"])
    answered = [control for rule in RULES for control in rule.controls]
    assert known == {*answered, *NOT_CHECKED} and not {*answered} & {*NOT_CHECKED}
    assert len(answered) == len(set(answered))


def test_settings_change_with_the_kind_and_the_configuration():
    assert judge("instance-allowed", BIG) and not judge("instance-allowed", BIG, kind="prod")
    assert not judge("instance-allowed", BIG, config={"allowed": ["g6e.*"]})
    (report,) = judge("instance-allowed", BIG, config={"allowed": ["g5.*"]})
    assert "is not among g5.*" in report
    world = Thing("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": "0.0.0.0/0"})
    world.properties |= {"fromPort": 443.0, "toPort": 443.0}
    assert judge("ingress-closed", world) and not judge("ingress-closed", world, config={"ports": [443.0]})


def test_a_rule_on_the_stack_judges_inputs_and_not_what_aws_computes():
    """A bucket without versions isn't undecided in a preview, where the engine gives `versioning` as unknown."""
    by_name = {each.name: each for each in policies("dev")}
    known = Thing(BUCKET, {"bucket": "b"})
    by_name["bucket-private"].validate(known.arguments(), print)
    reported: list[str] = []
    computed = Thing(BUCKET, {"bucket": "b", "versioning": UNKNOWN, "policy": UNKNOWN})
    for rule in ("data-recoverable", "tls-only"):
        arguments = StackValidationArgs(stack([computed]), None, {})
        by_name[rule].validate(arguments, lambda message, urn=None: reported.append(message))
    assert ["has no" in message for message in reported] == [True, True]


def mended(rule: str, thing: Thing, config: dict | None = None, kind: str = "dev") -> dict | None:
    (policy,) = [each for each in policies(kind) if each.name == rule]
    arguments = thing.arguments(config)
    arguments.props = thing.properties  # remediations get no proxy
    return policy.remediate(arguments)


def test_remediation_sets_what_is_safe_and_leaves_the_rest():
    assert mended("log-retention", Thing(LOG_GROUP, {"name": UNKNOWN}), kind="prod") == {
        "name": UNKNOWN,
        "retentionInDays": 90,
    }
    assert mended("log-retention", Thing(LOG_GROUP, {}), {"days": 30}) == {"retentionInDays": 30}
    assert mended("log-retention", Thing(LOG_GROUP, {"retentionInDays": UNKNOWN})) is None
    assert mended("log-retention", Thing(BUCKET, {})) is None
    tags = {"tandem:environment": "rag", "mine": UNKNOWN}
    assert mended("cost-tags", Thing(BUCKET, {"tags": tags})) == {"tags": {**tags, "tandem:stack": "rag-dev"}}
    assert mended("cost-tags", Thing(BUCKET, {}), {"values": {"tandem:environment": "rag"}}) == {
        "tags": {"tandem:stack": "rag-dev", "tandem:environment": "rag"}
    }
    assert {rule.name for rule in RULES if rule.fix} == {"log-retention", "cost-tags"}


def test_page_and_pack_are_made_from_the_rules():
    """Where this fails: `make docs`."""
    assert policies_page.PAGE.read_text() == policies_page.page()
    assert {name: (ROOT / "policies" / name).read_text() for name in policies_page.PACK} == policies_page.PACK

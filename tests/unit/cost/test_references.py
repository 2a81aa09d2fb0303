"""What a resource costs by others of the same preview: templates, subnets, configurations; worked out by hand."""

from decimal import Decimal

import pytest

from samples.previews import digest, state, step
from tandem.cost.estimate import assess, estimate
from tandem.cost.model import UNKNOWN, Number, Resource
from tandem.cost.preview import read_preview

CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
INSTANCE, TEMPLATE = "aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"
SUBNET, VPC = "aws:ec2/subnet:Subnet", "aws:ec2/vpc:Vpc"
NODES = "aws:eks/nodeGroup:NodeGroup"
VARIANTS = {"productionVariants": [{"instanceType": "ml.g5.xlarge", "initialInstanceCount": 1}]}
DISK = {"volumeSize": 20, "volumeType": "gp3"}
MACHINE = {"instanceType": "t3.small", "rootBlockDevice": DISK}  # 730 x 0.0208 + 20 x 0.08


def there(type_, inputs, **references):
    return Resource("urn", type_, "it", "", "us-east-1", inputs, {name: (one,) for name, one in references.items()})


def bill(type_, inputs, **references):
    return assess(there(type_, inputs, **references))


def priced(*states, **sources):
    """The lines of a preview that makes these, by name; `sources`: of which inputs the first has come from which."""
    made = [state(type_, name, inputs=inputs) for type_, name, inputs in states]
    urns = {one["urn"].rsplit("::")[-1]: one["urn"] for one in made}
    for one in made:
        given = sources.get(one["urn"].rsplit("::")[-1], {})
        one["propertyDependencies"] = {name: [urns[other]] for name, other in given.items()}
    read = read_preview(digest(*(step("create", None, one) for one in made)))
    return {line.change.urn.rsplit("::")[-1]: line.after for line in estimate(read).lines}


def endpoints(*names, **inputs):
    return [(ENDPOINT, name, {"endpointConfigName": UNKNOWN} | inputs) for name in names]


def test_each_endpoint_on_a_configuration_bills_its_instances():
    lines = priced(
        (CONFIGURATION, "shared", VARIANTS),
        *endpoints("a", "b"),
        a={"endpointConfigName": "shared"},
        b={"endpointConfigName": "shared"},
    )
    assert lines["shared"].usd(Number.IDLE) == Decimal("2055.68")  # 2 x 730 x 1.408; it printed one of them
    assert lines["a"].free
    assert lines["b"].free


def test_one_endpoint_is_one():
    lines = priced((CONFIGURATION, "c", VARIANTS), *endpoints("a"), a={"endpointConfigName": "c"})
    assert lines["c"].usd(Number.IDLE) == Decimal("1027.84")
    assert not lines["c"].notes


def test_a_configuration_is_found_by_its_name_too():
    named = {"name": "cfg-1"}
    lines = priced((CONFIGURATION, "c", VARIANTS | named), *endpoints("a", "b", endpointConfigName="cfg-1"))
    assert lines["c"].usd(Number.IDLE) == Decimal("2055.68")
    assert lines["a"].free


def test_a_configuration_that_nothing_here_uses_is_taken_to_be_used_once():
    lines = priced((CONFIGURATION, "c", VARIANTS))
    assert lines["c"].usd(Number.IDLE) == Decimal("1027.84")
    assert any("no endpoint of this preview uses it" in note for note in lines["c"].notes)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["theirs", UNKNOWN])
def test_an_endpoint_whose_configuration_is_elsewhere_is_not_free(name):
    found = priced(*endpoints("a", endpointConfigName=name))["a"]
    assert not found.free
    assert any("isn't in this preview" in reason for reason in found.unpriced)


@pytest.mark.parametrize(
    ("inputs", "subnet", "usd", "open_"),
    [
        ({}, {"mapPublicIpOnLaunch": True}, "20.434", False),  # 16.784 and 730 x 0.005 for its address
        ({}, {"mapPublicIpOnLaunch": False}, "16.784", False),
        ({}, {}, "16.784", False),
        ({}, {"mapPublicIpOnLaunch": UNKNOWN}, "16.784", True),
        ({}, None, "16.784", True),  # a subnet that the preview doesn't have
        ({"associatePublicIpAddress": False}, {"mapPublicIpOnLaunch": True}, "16.784", False),
        ({"associatePublicIpAddress": True}, None, "20.434", False),
        ({"networkInterfaces": [{"networkInterfaceId": "eni-1"}]}, {"mapPublicIpOnLaunch": True}, "16.784", False),
    ],
)
def test_address_of_an_instance_is_its_subnets_default(inputs, subnet, usd, open_):
    references = {} if subnet is None else {"subnetId": there(SUBNET, subnet)}
    found = bill(INSTANCE, MACHINE | {"subnetId": UNKNOWN} | inputs, **references)
    assert found.usd(Number.IDLE) == Decimal(usd), found
    assert any("public IPv4" in reason or "mapPublicIp" in reason for reason in found.unpriced) is open_


def test_an_instance_of_a_dedicated_network_has_no_row():
    network = there(VPC, {"instanceTenancy": "dedicated"})
    found = bill(INSTANCE, MACHINE, subnetId=there(SUBNET, {}, vpcId=network))
    assert any("tenancy dedicated" in reason for reason in found.unpriced)
    assert found.usd(Number.IDLE) == Decimal("1.6")


def test_an_instance_is_what_its_launch_template_says():
    template = there(
        TEMPLATE,
        {
            "instanceType": "t3.small",
            "monitoring": {"enabled": True},
            "networkInterfaces": [{"associatePublicIpAddress": "true"}],
            "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": DISK}],
        },
    )
    found = bill(INSTANCE, {"launchTemplate": {"id": UNKNOWN}}, launchTemplate=template)
    # 730 x (0.0208 + 0.005) + 20 x 0.08 + 7 x 0.30
    assert found.usd(Number.IDLE) == Decimal("22.534"), found
    assert not found.unpriced


@pytest.mark.faults
def test_volumes_of_an_instance_and_of_its_template_are_not_counted_twice():
    template = there(TEMPLATE, {"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": DISK}]})
    found = bill(INSTANCE, MACHINE | {"associatePublicIpAddress": False}, launchTemplate=template)
    assert found.usd(Number.IDLE) == Decimal("16.784")
    assert any("don't replace" in reason for reason in found.unpriced)


@pytest.mark.faults
def test_an_instance_whose_launch_template_is_elsewhere_says_so():
    found = bill(INSTANCE, MACHINE | {"associatePublicIpAddress": False, "launchTemplate": {"id": "lt-1"}})
    assert found.usd(Number.IDLE) == Decimal("16.784")
    assert any("launch template" in reason for reason in found.unpriced)


@pytest.mark.parametrize("where", ["resource", "template"])
@pytest.mark.parametrize(("market", "says"), [("spot", "at most $0.0208 an hour"), ("capacity-block", "in advance")])
def test_an_instance_that_is_not_on_demand(where, market, says):
    options = {"instanceMarketOptions": {"marketType": market}}
    inputs, template = (options, {}) if where == "resource" else ({}, options)
    found = bill(
        INSTANCE, MACHINE | inputs | {"launchTemplate": {"id": UNKNOWN}}, launchTemplate=there(TEMPLATE, template)
    )
    assert any(says in reason for reason in found.unpriced), found


NODE_GROUP = {"instanceTypes": ["m7i.large"], "scalingConfig": {"minSize": 2, "desiredSize": 2}}
NODE_DISK = {"blockDeviceMappings": [{"ebs": DISK}]}  # 2 x (730 x 0.1008 + 20 x 0.08) = 150.368


@pytest.mark.parametrize(
    ("template", "subnet", "usd", "reason"),
    [
        ({}, {}, "150.368", ""),
        ({"monitoring": {"enabled": True}}, {}, "154.568", ""),  # and 2 x 7 x 0.30
        ({}, {"mapPublicIpOnLaunch": True}, "157.668", ""),  # and 2 x 730 x 0.005
        ({"networkInterfaces": [{"associatePublicIpAddress": "false"}]}, {"mapPublicIpOnLaunch": True}, "150.368", ""),
        ({"placement": {"tenancy": "dedicated"}}, {}, "3.2", "tenancy dedicated"),
        ({"blockDeviceMappings": [{"ebs": {"volumeSize": 20}}]}, {}, "147.168", "volumeType isn't set"),
    ],
)
def test_nodes_are_what_their_launch_template_and_subnets_say(template, subnet, usd, reason):
    references = {"launchTemplate": there(TEMPLATE, NODE_DISK | template), "subnetIds": there(SUBNET, subnet)}
    found = bill(NODES, NODE_GROUP | {"subnetIds": [UNKNOWN]}, **references)
    assert found.usd(Number.IDLE) == Decimal(usd), found
    assert any(reason in text for text in found.unpriced) if reason else not found.unpriced


@pytest.mark.faults
@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (NODE_GROUP | {"amiType": "WINDOWS_CORE_2022_x86_64"}, "Windows"),
        (NODE_GROUP | {"warmPoolConfig": {"minSize": 2, "poolState": "RUNNING"}}, "warm pool"),
        ({"scalingConfig": {"minSize": 0, "desiredSize": 0}, "warmPoolConfig": {"minSize": 2}}, "warm pool"),
        (NODE_GROUP | {"diskSize": 200}, "200 GB"),
        ({"scalingConfig": {"minSize": -1, "desiredSize": -5}}, "less than none"),
    ],
)
def test_what_nodes_bill_beside_their_hours(inputs, reason):
    found = bill(NODES, inputs)
    assert any(reason in text for text in found.unpriced), found
    assert found.usd(Number.IDLE) >= 0


def test_nodes_in_subnets_of_somewhere_else_may_have_addresses():
    (note,) = bill(NODES, NODE_GROUP | {"subnetIds": ["subnet-1"]}).notes
    assert "each bills $0.005 an hour more" in note


def test_a_launch_template_is_found_among_what_else_an_input_comes_from():
    """As an input that is made of two outputs, of which the first is no template's."""
    made = [state("aws:ec2/securityGroup:SecurityGroup", "a"), state(TEMPLATE, "b", {"instanceType": "t3.small"})]
    group = state("aws:autoscaling/group:Group", "g", {"minSize": 2, "launchTemplate": {"id": UNKNOWN}})
    group["propertyDependencies"] = {"launchTemplate": [one["urn"] for one in made]}
    read = read_preview(digest(*(step("create", None, one) for one in (*made, group))))
    *_, line = estimate(read).lines
    assert line.after.usd(Number.IDLE) == Decimal("30.368")  # 2 x 730 x 0.0208


def test_what_has_the_same_name_in_two_regions_is_two():
    def of(region, kind, instance):
        named = {"name": "cfg", "region": region, "productionVariants": [{"instanceType": instance}]}
        return (CONFIGURATION, f"{kind}-cfg", named), (ENDPOINT, kind, {"endpointConfigName": "cfg", "region": region})

    lines = priced(*of("us-east-1", "east", "ml.g5.xlarge"), *of("us-west-2", "west", "ml.g5.2xlarge"))
    assert not any("endpoints use it" in note for line in lines.values() for note in line.notes)
    assert not any("no endpoint" in note for line in lines.values() for note in line.notes)
    assert lines["east-cfg"].usd(Number.IDLE) == Decimal("1027.84")


@pytest.mark.parametrize(("desired", "least", "tasks"), [(None, 4, 4), (1, 4, 4), (6, 4, 6), (0, 0, 0)])
def test_a_service_that_is_scaled_runs_the_least_that_its_target_allows(desired, least, tasks):
    """Each task 730 x (0.25 x 0.04048 + 0.5 x 0.004445)."""
    service, target = "aws:ecs/service:Service", "aws:appautoscaling/target:Target"
    task = ("aws:ecs/taskDefinition:TaskDefinition", "task", {"cpu": "256", "memory": "512"})
    lines = priced(
        task,
        (service, "service", {"launchType": "FARGATE", "desiredCount": desired}),
        (target, "target", {"serviceNamespace": "ecs", "minCapacity": least, "maxCapacity": 9}),
        service={"taskDefinition": "task"},
        target={"resourceId": "service"},
    )
    assert lines["service"].usd(Number.IDLE) == Decimal("9.010025") * tasks
    assert bool(lines["service"].free) == (tasks == 0)

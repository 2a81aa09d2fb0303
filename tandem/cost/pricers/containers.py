"""ECS: tasks on Fargate."""

from decimal import Decimal

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, USED, Inputs
from ..model import Number, Resource
from .inputs import count, number, text

SERVICE = "AmazonECS"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
TARGET = "aws:appautoscaling/target:Target"
PROCESSORS = {"X86_64": "x86", "ARM64": "arm64"}
STORAGE = 20  # GB that Fargate includes for each task


def service(resource: Resource, bill: Bill) -> None:
    """A service's tasks on Fargate, as many as are desired; on instances those bill."""
    strategies = range(count(resource, "capacityProviderStrategies"))
    providers = {text(resource, f"capacityProviderStrategies.{at}.capacityProvider") for at in strategies}
    launch = resource.get("launchType")
    if launch == "EC2" or (providers and not any(name.startswith("FARGATE") for name in providers)):
        bill.free("the instances that its tasks run on bill")
    elif launch == "FARGATE" or providers == {"FARGATE"}:
        _tasks(resource, bill)
    elif providers:
        bill.not_priced(f"tasks on {', '.join(sorted(providers))}: spot's price changes, and shares aren't counted")
    elif launch is None:
        bill.not_priced("its tasks: its cluster's default strategy decides what they run on (launchType isn't set)")
    else:
        bill.not_priced(f"tasks of launchType {launch}, whose instances bill by the hour: there is no row for them")


def _tasks(resource: Resource, bill: Bill) -> None:
    # As a target is registered, what is desired is raised to its minimum (Application Auto Scaling user guide).
    least = max((number(it, "minCapacity") for it in resource.users if it.type == TARGET), default=Decimal(0))
    tasks = max(number(resource, "desiredCount", 0), least)
    if tasks == 0:
        bill.free("no task runs (desiredCount is 0, and no target of this preview has a minCapacity for it)")
        return
    task = resource.source("taskDefinition", TASK)
    if task is None:
        bill.not_priced(f"{tasks:f} tasks, whose definition isn't in this preview", Number.IDLE)
        return
    system = text(task, "runtimePlatform.operatingSystemFamily", "LINUX")
    processor = PROCESSORS.get(text(task, "runtimePlatform.cpuArchitecture", "X86_64"))
    if system != "LINUX" or processor is None:
        bill.not_priced(f"{tasks:f} tasks under {system}: there are rows for Linux on x86 and arm64 only", Number.IDLE)
        return
    cpus, gigabytes = number(task, "cpu") / 1024, number(task, "memory") / 1024
    bill.hours(f"{tasks:f} tasks of {cpus:f} vCPU", SERVICE, f"fargate:{processor}:vcpu", tasks * cpus)
    bill.hours(f"their memory, {gigabytes:f} GB each", SERVICE, f"fargate:{processor}:memory", tasks * gigabytes)
    more = number(task, "ephemeralStorage.sizeInGib", STORAGE) - STORAGE
    if more > 0:
        bill.hours(f"their storage beyond {STORAGE} GB", SERVICE, "fargate:storage", tasks * more)
    if resource.get("networkConfiguration.assignPublicIp", False):
        bill.hours("their public IPv4 addresses", "AmazonVPC", "ipv4:hours", tasks)
    if resource.shown("volumeConfiguration") is not None:
        bill.not_priced("a volume for each of its tasks", Number.IDLE)


PRICERS: dict[str, Pricer] = {"aws:ecs/service:Service": service}

INPUTS: dict[str, Inputs] = {
    "aws:ecs/service:Service": Inputs(
        """launchType capacityProviderStrategies[].capacityProvider desiredCount
        networkConfiguration.assignPublicIp volumeConfiguration.*""",
        {
            NAMES: "name propagateTags enableEcsManagedTags",
            PLACE: """cluster availabilityZoneRebalancing networkConfiguration.securityGroups[]
            networkConfiguration.subnets[] loadBalancers.* orderedPlacementStrategies.* placementConstraints.*
            serviceRegistries.* serviceConnectConfiguration.* vpcLatticeConfigurations.*""",
            ACCESS: "iamRole enableExecuteCommand",
            LIFE: """deploymentCircuitBreaker.* deploymentConfiguration.* deploymentController.* forceDelete
            deploymentMaximumPercent deploymentMinimumHealthyPercent forceNewDeployment
            healthCheckGracePeriodSeconds sigintRollback triggers.* waitForSteadyState""",
            BEHAVIOUR: "alarms.* schedulingStrategy platformVersion taskDefinition",
            "shares of one kind of capacity cost the same": "capacityProviderStrategies[].base "
            "capacityProviderStrategies[].weight",
        },
    ),
    TASK: Inputs(
        "cpu memory runtimePlatform.cpuArchitecture runtimePlatform.operatingSystemFamily ephemeralStorage.sizeInGib",
        {
            NAMES: "family",
            PLACE: "networkMode placementConstraints.* proxyConfiguration.*",
            ACCESS: "executionRoleArn taskRoleArn",
            LIFE: "skipDestroy trackLatest requiresCompatibilities[]",
            BEHAVIOUR: "enableFaultInjection ipcMode pidMode",
            USED: "volumes.*",
        },
        {"logs bill by the GB": "containerDefinitions"},
    ),
    "aws:ecs/cluster:Cluster": Inputs(
        free={
            NAMES: "name",
            PLACE: "serviceConnectDefaults.*",
            ACCESS: "configuration.managedStorageConfiguration.* configuration.executeCommandConfiguration.kmsKeyId",
            USED: "configuration.executeCommandConfiguration.*",
        },
        ignored={"Container Insights bills by the metric or observation": "settings.*"},
    ),
}

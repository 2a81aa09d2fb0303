"""Endpoints, notebooks, Studio and MLflow."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import SECRET, UNKNOWN, Number, Resource
from ..run_price import OWN_DISKS, SAGEMAKER
from .inputs import count, number, text

CONFIGURATION, ENDPOINT = "aws:sagemaker/endpointConfiguration:EndpointConfiguration", "aws:sagemaker/endpoint:Endpoint"


def endpoint_configuration(resource: Resource, bill: Bill) -> None:
    """The instances of its variants, which bill for each endpoint that uses it; for one elsewhere if none here does."""
    endpoints = len({user.urn for user in resource.users if user.type == ENDPOINT})
    if not endpoints:
        bill.note(
            "no endpoint of this preview uses it: it is priced as if one elsewhere did, and bills nothing if none"
        )
    lists = ("productionVariants", "shadowProductionVariants")
    places = [f"{variants}.{index}" for variants in lists for index in range(count(resource, variants))]
    for at in places:
        _variant(resource, bill, at, max(endpoints, 1))
    if not places:
        bill.not_priced("productionVariants is missing")


def endpoint(resource: Resource, bill: Bill) -> None:
    """An endpoint bills the instances of its configuration, with which they are priced."""
    given = resource.shown("endpointConfigName")
    if resource.source("endpointConfigName", CONFIGURATION):
        bill.free("its instances bill with its configuration")
    else:
        name = "" if given in (None, UNKNOWN, SECRET) else f" {given}"
        bill.not_priced(f"its instances: its configuration{name} isn't in this preview", Number.IDLE)


def _variant(resource: Resource, bill: Bill, at: str, endpoints: int) -> None:
    if resource.get(f"{at}.serverlessConfig"):
        if resource.get(f"{at}.serverlessConfig.provisionedConcurrency"):
            bill.not_priced("provisioned concurrency of a serverless endpoint: there is no row for it")
        else:
            bill.free("a serverless endpoint bills for requests only")
        return
    if accelerator := resource.get(f"{at}.acceleratorType"):
        bill.not_priced(f"acceleratorType {accelerator}: there is no row for it", Number.IDLE)
    if resource.get(f"{at}.capacityReservationConfig"):
        bill.not_priced("a reservation of its instances, which is paid in advance", Number.IDLE)
        return
    kind = text(resource, f"{at}.instanceType")
    key = f"hosting:{kind}"
    if resource.get(f"{at}.managedInstanceScaling.status") == "ENABLED":
        instances = number(resource, f"{at}.managedInstanceScaling.minInstanceCount", 1)
    else:
        instances = number(resource, f"{at}.initialInstanceCount", 1)
    if instances == 0:
        price = bill.table.price(SAGEMAKER, key)
        bill.free("no instance runs while nobody asks")
        bill.note(f"each instance of {kind} that a request wakes bills ${price.usd} an hour until it goes again")
        return
    if endpoints > 1:
        bill.note(f"{endpoints} endpoints use it: each has instances of its own")
    instances *= endpoints
    bill.hours(f"{instances} x {kind}", SAGEMAKER, key, instances)
    if resource.get(f"{at}.volumeSizeInGb"):
        size = number(resource, f"{at}.volumeSizeInGb") * instances
        bill.charge(Number.IDLE, f"volumes of {kind}", SAGEMAKER, "storage:hosting", size)
    elif kind.removeprefix("ml.").partition(".")[0] not in OWN_DISKS:
        bill.note(f"{kind} has no disks of its own: SageMaker adds a volume, of a size that the inputs don't say")


def mlflow_app(_: Resource, bill: Bill) -> None:
    """Serverless MLflow."""
    bill.hours("MLflow app", SAGEMAKER, "mlflow-app")


def mlflow_server(resource: Resource, bill: Bill) -> None:
    """An MLflow server bills by the hour while it exists."""
    size = text(resource, "trackingServerSize", "Small")
    bill.hours(f"MLflow server, {size}", SAGEMAKER, f"mlflow-server:{size.lower()}")


def notebook(resource: Resource, bill: Bill) -> None:
    """A notebook instance bills by the hour until it is stopped, and its volume until it is deleted."""
    kind = text(resource, "instanceType")
    bill.hours(f"notebook, {kind}", SAGEMAKER, f"notebook:{kind}")
    size = number(resource, "volumeSize", 5)  # the provider's default
    bill.charge(Number.IDLE, "volume of the notebook", SAGEMAKER, "storage:notebook", size)


def space(resource: Resource, bill: Bill) -> None:
    """A space of Studio bills its volume; what runs in it bills by the hour."""
    volume = "spaceSettings.spaceStorageSettings.ebsStorageSettings.ebsVolumeSizeInGb"
    if resource.shown(volume) is None:
        bill.not_priced("its volume, whose size is its domain's default", Number.IDLE)
    else:
        bill.charge(Number.IDLE, "volume of the space", SAGEMAKER, "storage:studio", number(resource, volume))


def app(resource: Resource, bill: Bill) -> None:
    """What runs in Studio bills by the hour until it is deleted."""
    what, kind = text(resource, "appType"), text(resource, "resourceSpec.instanceType", "system")
    if kind == "system":
        bill.not_priced(f"{what} on what its domain or space says (resourceSpec.instanceType isn't set)", Number.IDLE)
    elif what == "KernelGateway":
        bill.hours(f"notebook of Studio, {kind}", SAGEMAKER, f"studio:{kind}")
    else:
        bill.not_priced(f"hours of {what} on {kind}: there are rows for notebooks (KernelGateway) only", Number.IDLE)


PRICERS: dict[str, Pricer] = {
    ENDPOINT: endpoint,
    CONFIGURATION: endpoint_configuration,
    "aws:sagemaker/notebookInstance:NotebookInstance": notebook,
    "aws:sagemaker/space:Space": space,
    "aws:sagemaker/app:App": app,
    "aws:sagemaker/mlflowApp:MlflowApp": mlflow_app,
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": mlflow_server,
}

_LISTS = ("productionVariants[]", "shadowProductionVariants[]")


def _of_variants(*names: str) -> str:
    return " ".join(f"{variants}.{name}" for variants in _LISTS for name in names)


INPUTS: dict[str, Inputs] = {
    CONFIGURATION: Inputs(
        _of_variants(
            "instanceType",
            "initialInstanceCount",
            "managedInstanceScaling.status",
            "managedInstanceScaling.minInstanceCount",
            "serverlessConfig.provisionedConcurrency",
            "volumeSizeInGb",
            "acceleratorType",
            "capacityReservationConfig.*",
        ),
        {
            NAMES: "name namePrefix " + _of_variants("variantName", "modelName"),
            ACCESS: "executionRoleArn kmsKeyArn " + _of_variants("enableSsmAccess"),
            BEHAVIOUR: _of_variants(
                "containerStartupHealthCheckTimeoutInSeconds",
                "modelDataDownloadTimeoutInSeconds",
                "inferenceAmiVersion",
                "initialVariantWeight",
                "routingConfigs.*",
            ),
            "a limit: what is scaled within it bills by the hour": _of_variants(
                "managedInstanceScaling.maxInstanceCount"
            ),
            "a serverless endpoint bills for requests only": _of_variants(
                "serverlessConfig.maxConcurrency", "serverlessConfig.memorySizeInMb"
            ),
        },
        {
            "what it writes bills as storage of its bucket": "asyncInferenceConfig.* dataCaptureConfig.* "
            + _of_variants("coreDumpConfig.*"),
        },
    ),
    ENDPOINT: Inputs(
        "endpointConfigName",
        {NAMES: "name", "while it is updated both fleets bill, for that time only": "deploymentConfig.*"},
    ),
    "aws:sagemaker/notebookInstance:NotebookInstance": Inputs(
        "instanceType volumeSize",
        {
            NAMES: "name",
            PLACE: "subnetId securityGroups[] directInternetAccess",
            ACCESS: "roleArn kmsKeyId rootAccess instanceMetadataServiceConfiguration.*",
            LIFE: "lifecycleConfigName platformIdentifier",
            BEHAVIOUR: "additionalCodeRepositories[] defaultCodeRepository",
        },
    ),
    "aws:sagemaker/space:Space": Inputs(
        "spaceSettings.spaceStorageSettings.ebsStorageSettings.ebsVolumeSizeInGb",
        {
            NAMES: "spaceName spaceDisplayName",
            PLACE: "domainId",
            ACCESS: "ownershipSettings.* spaceSharingSettings.*",
            "what runs in it bills as an app": "spaceSettings.*",
        },
    ),
    "aws:sagemaker/app:App": Inputs(
        "appType resourceSpec.instanceType",
        {
            NAMES: "appName spaceName userProfileName",
            PLACE: "domainId",
            LIFE: "resourceSpec.*",
        },
    ),
    "aws:sagemaker/mlflowApp:MlflowApp": Inputs(
        free={
            NAMES: "name",
            ACCESS: "roleArn",
            BEHAVIOUR: "accountDefaultStatus defaultDomainIdLists[] modelRegistrationMode weeklyMaintenanceWindowStart",
            "its bucket bills where it is": "artifactStoreUri",
        },
    ),
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": Inputs(
        "trackingServerSize",
        {
            NAMES: "trackingServerName",
            ACCESS: "roleArn",
            BEHAVIOUR: "automaticModelRegistration mlflowVersion weeklyMaintenanceWindowStart",
            "its bucket bills where it is": "artifactStoreUri",
        },
    ),
}

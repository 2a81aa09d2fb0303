"""Endpoints and MLflow."""

from ..bill import Bill, Pricer
from ..model import Number, Resource
from ..run_price import OWN_DISKS, SAGEMAKER
from .inputs import count, number, text


def endpoint_configuration(resource: Resource, bill: Bill) -> None:
    """The instances of its variants. They bill while an endpoint uses it: it is taken that one does."""
    lists = ("productionVariants", "shadowProductionVariants")
    places = [f"{variants}.{index}" for variants in lists for index in range(count(resource, variants))]
    for at in places:
        _variant(resource, bill, at)
    if not places:
        bill.not_priced("productionVariants is missing")


def _variant(resource: Resource, bill: Bill, at: str) -> None:
    if resource.get(f"{at}.serverlessConfig"):
        if resource.get(f"{at}.serverlessConfig.provisionedConcurrency"):
            bill.not_priced("provisioned concurrency of a serverless endpoint: there is no row for it")
        else:
            bill.free("a serverless endpoint bills for requests only")
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


PRICERS: dict[str, Pricer] = {
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": endpoint_configuration,
    "aws:sagemaker/mlflowApp:MlflowApp": mlflow_app,
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": mlflow_server,
}

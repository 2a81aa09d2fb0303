"""The endpoint that a stack's configuration asks for, which a tuned model is to be served by."""

from collections.abc import Mapping
from dataclasses import dataclass

from tandem_contract import defaults

from tandem.runtime.quotas import Quotas

from .instances import Gpu

ENDPOINT_USAGE = " for endpoint usage"
"""How the names of quotas for endpoints end in Service Quotas, behind the instance."""
ENVIRONMENTS = ("finetuning", "hybrid")


@dataclass(frozen=True)
class Serving:
    """An endpoint as configured, deployed or not."""

    instance: str = defaults.ENDPOINT_INSTANCE
    instances: int = 1
    scales_to_zero: bool = False
    gpus: int = 1
    """Of a copy of the model, where it scales to zero."""

    @classmethod
    def of(cls, configuration: Mapping[str, str]) -> "Serving | None":
        """By a stack's configuration; None for a program of another kind, which has its endpoints elsewhere."""
        if configuration.get("tandem:environment") not in ENVIRONMENTS:
            return None
        return cls(
            configuration.get("tandem:endpointInstance") or cls.instance,
            int(configuration.get("tandem:endpointInstances") or cls.instances),
            configuration.get("tandem:endpointMode") == "zero",
            int(configuration.get("tandem:endpointGpus") or cls.gpus),
        )

    def taken(self, *, again: bool) -> int:
        """Instances that it takes; `again` if it may be updated, with the new model's beside the old one's.

        Blue/green has twice the instances for a while ("Blue/Green Deployments" of the SageMaker developer guide); one
        that scales to zero updates copy by copy, with an instance more.
        """
        if not again:
            return self.instances
        return self.instances + 1 if self.scales_to_zero else 2 * self.instances

    def sharing(self, gpu: Gpu) -> int:
        """How many GPUs of such an instance share the model: all, by LMI's default (djl-serving,
        `LmiConfigRecommender.setTensorParallelDegree`), or those of a copy."""
        return min(self.gpus, gpu.count) if self.scales_to_zero else gpu.count


def serving_quotas(serving: Serving, *, again: bool) -> Quotas:
    """What an endpoint takes; `again` as for `Serving.taken`."""
    return Quotas("sagemaker", "SageMaker", {f"{serving.instance}{ENDPOINT_USAGE}": serving.taken(again=again)})

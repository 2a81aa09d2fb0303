"""SageMaker's quotas of instances, by Service Quotas' names."""

from tandem_contract.envelope import RunEnvelope

from ..preflight import Quotas

USAGE = " job usage"


def quotas(envelope: RunEnvelope) -> Quotas:
    """What a run takes: training, spot training and hosting have quotas each."""
    kind = "spot training" if envelope.spot else "training"
    wanted = {f"{envelope.instance_type} for {kind}{USAGE}": envelope.instance_count}
    # An evaluation is a training job too, and never on spot capacity.
    wanted.setdefault(f"{envelope.evaluation_instance_type} for training{USAGE}", 1)
    return Quotas("sagemaker", "SageMaker", wanted, USAGE)

"""SageMaker's quotas of instances, by Service Quotas' names."""

from tandem_contract.envelope import RunEnvelope

from tandem.runtime.quotas import Quotas


def quotas(envelope: RunEnvelope) -> Quotas:
    """What a run takes: training, spot training and hosting have quotas each, and so have all jobs together."""
    wanted: dict[str, int] = {}
    # An evaluation is a training job too, never on spot capacity, and comes after the training.
    steps = (
        (envelope.evaluation_instance_type, 1, envelope.evaluation_max_runtime_seconds, "training"),
        (
            envelope.instance_type,
            envelope.instance_count,
            envelope.max_runtime_seconds,
            "spot training" if envelope.spot else "training",
        ),
    )
    for instance, count, seconds, kind in steps:
        for name, needed in (
            (f"{instance} for {kind} job usage", count),
            (f"Number of instances across all {kind} jobs", count),
            (f"Maximum number of instances per {kind} job", count),
            ("Longest run time for a training job", seconds),
        ):
            wanted[name] = max(wanted.get(name, 0), needed)
    return Quotas("sagemaker", "SageMaker", wanted)

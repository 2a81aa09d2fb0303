"""Price of a fine-tuning run: expected, and at most."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from tandem_contract.cluster import EMPTY_SECONDS, GRACE_SECONDS
from tandem_contract.envelope import RunEnvelope
from tandem_contract.usage import SECONDS_AN_HOUR

from .model import Charge, Number
from .prices import PriceTable, Row
from .units import HOURS_A_MONTH

SAGEMAKER, EC2 = "AmazonSageMaker", "AmazonEC2"
# SageMaker provisions no volume for instances with NVMe disks of their own (API reference, ResourceConfig,
# VolumeSizeInGB); which have some is in the tables of instance types in the EC2 user guide.
_OWN = ("c5d", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "gr6", "m5d", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "r5d")
OWN_DISKS = frozenset((*_OWN, "p6-b200", "p6-b300", "p6e-gb200", "trn1", "trn1n", "trn2"))


class _Biller(NamedTuple):
    """Whose prices an instance has, and what is billed with it."""

    service: str
    instance: str
    """Its key of an hour, before the type."""
    volume: str
    """Its key of a volume."""
    own_disks: frozenset[str] = frozenset()
    """Families to which no volume is added."""
    spare_seconds: int = 0
    """That it may bill after each job."""


_SAGEMAKER = _Biller(SAGEMAKER, "training:", "storage:training", OWN_DISKS)
# Every node has a root volume. Its start is in the job's time, which counts from the moment when the queue lets it go.
_NODES = _Biller(EC2, "ondemand:", "ebs:gp3:storage", spare_seconds=GRACE_SECONDS + EMPTY_SECONDS)


@dataclass(frozen=True)
class RunPrice:
    """Both prices of a run; `expected` is empty where nobody knows."""

    ceiling: tuple[Charge, ...]
    expected: tuple[Charge, ...] = ()

    @property
    def ceiling_usd(self) -> Decimal:
        """US dollars, rounded up to the cent."""
        return _cents(self.ceiling)

    @property
    def expected_usd(self) -> Decimal | None:
        """US dollars, rounded up to the cent; None: unknown."""
        return _cents(self.expected) if self.expected else None

    @property
    def oldest(self) -> Row:
        """The row that was read longest ago of those that the ceiling is made of."""
        return max((row for charge in self.ceiling for row in charge.rows), key=Row.age_days)


_Charges = tuple[Charge, ...]


def run_price(
    envelope: RunEnvelope,
    table: PriceTable,
    *,
    artifact_gb: Decimal,
    checkpoint_gb: Decimal,
    expected_seconds: int | None = None,
    expected_evaluation_seconds: int | None = None,
    spot_share: Decimal | None = None,
) -> RunPrice:
    """Price a run from dated rows; raises `NoPrice` where a row is missing, never takes it for free.

    An instance type with `ml.` is SageMaker's, one without a node of a cluster: EC2's on-demand price, a root volume of
    the envelope's size, and after each start the grace period and the minute until Karpenter ends the node.

    The ceiling: every attempt runs to its limit at the on-demand rate, spot or not, and so does every evaluation, which
    is a job as well and may be started as often; the volumes of both; and checkpoints and artifact in S3 for a month.
    Beyond it lie what SageMaker bills while a stopped job ends (two minutes at most, and its upload), what nodes bill
    around a job that the queue takes back and admits again, the cluster itself, requests, logs, traffic and taxes.

    The expected price needs `expected_seconds` of training, all instances at once; an evaluation of unknown length is
    taken at its limit. On a cluster the start of a new node comes on top. With spot it needs `spot_share` as well, the
    share of the on-demand rate that you expect to pay (0.4 for 40 %): spot prices change by the minute and aren't in
    the table.
    """

    def charges(number: Number, starts: int, train_seconds: int, evaluate_seconds: int, share: Decimal) -> _Charges:
        def charge(what: str, service: str, key: str, quantity: Decimal, share: Decimal = Decimal(1)) -> Charge:
            usd, rows = table.cost(service, key, quantity)
            return Charge(number, what, quantity, rows[0].unit, usd * share, rows, number is Number.RUN_EXPECTED)

        jobs = (
            ("training", envelope.instance_type, train_seconds, envelope.instance_count, share),
            ("evaluation", envelope.evaluation_instance_type, evaluate_seconds, 1, Decimal(1)),
        )
        found = []
        for name, instance, seconds, instances, part in jobs:
            biller = _SAGEMAKER if instance.startswith("ml.") else _NODES
            spare = biller.spare_seconds if seconds else 0
            hours = Decimal(instances * starts * (seconds + spare)) / SECONDS_AN_HOUR
            found.append(charge(f"{name} on {instance}", biller.service, f"{biller.instance}{instance}", hours, part))
            if instance.removeprefix("ml.").split(".")[0] not in biller.own_disks:
                months = hours * envelope.volume_gb / HOURS_A_MONTH
                found.append(charge(f"{name}, volumes", biller.service, biller.volume, months))
        stored = checkpoint_gb + artifact_gb
        return (*found, charge("checkpoints and artifact in S3, a month", "AmazonS3", "storage:standard", stored))

    limit = envelope.evaluation_max_runtime_seconds
    ceiling = charges(Number.RUN_CEILING, envelope.attempts, envelope.max_runtime_seconds, limit, Decimal(1))
    share = spot_share if envelope.spot else Decimal(1)
    if expected_seconds is None or share is None:
        return RunPrice(ceiling)
    evaluate = limit if expected_evaluation_seconds is None else expected_evaluation_seconds
    return RunPrice(ceiling, charges(Number.RUN_EXPECTED, 1, expected_seconds, evaluate, share))


def _cents(charges: tuple[Charge, ...]) -> Decimal:
    # Thirds of an hour aren't exact: what is a cent too much by their rounding alone is none.
    exact = sum((charge.usd for charge in charges), Decimal(0)).quantize(Decimal("1e-9"))
    return exact.quantize(Decimal("0.01"), ROUND_CEILING)

"""What a fine-tuning run is expected to cost, and what it costs at most."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from tandem_contract.envelope import RunEnvelope
from tandem_contract.usage import HOURS_A_MONTH, SECONDS_AN_HOUR

from .prices import PriceTable, Row

SAGEMAKER = "AmazonSageMaker"
# SageMaker provisions no volume for instances with NVMe disks of their own (API reference, ResourceConfig,
# VolumeSizeInGB); which have some is in the tables of instance types in the EC2 user guide.
_OWN = ("c5d", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "gr6", "m5d", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "r5d")
OWN_DISKS = frozenset((*_OWN, "p6-b200", "p6-b300", "p6e-gb200", "trn1", "trn1n", "trn2"))


@dataclass(frozen=True)
class Line:
    """One item of a price: `quantity` units at `unit_price` US dollars, from `row`."""

    name: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    row: Row

    @property
    def usd(self) -> Decimal:
        """Not rounded."""
        return self.quantity * self.unit_price


@dataclass(frozen=True)
class RunPrice:
    """Both prices of a run; `expected` is empty where nobody knows."""

    ceiling: tuple[Line, ...]
    expected: tuple[Line, ...] = ()

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
        return max((line.row for line in self.ceiling), key=Row.age_days)


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
    """Price a run from dated rows; raises `NotPriced` or `Unavailable` where a row is missing, never takes it for free.

    The ceiling: every attempt runs to its limit at the on-demand rate, spot or not, and so does every evaluation, which
    is a training job as well and may be started as often; the volumes of both; and checkpoints and artifact in S3 for a
    month. Beyond it lie what SageMaker bills while a stopped job ends (two minutes at most, and its upload), requests,
    logs and taxes.

    The expected price needs `expected_seconds` of training, all instances at once; an evaluation of unknown length is
    taken at its limit. With spot it needs `spot_share` as well, the share of the on-demand rate that you expect to pay
    (0.4 for 40 %): spot prices change by the minute and aren't in the table.
    """
    training = table.price(SAGEMAKER, f"training:{envelope.instance_type}")
    evaluation = table.price(SAGEMAKER, f"training:{envelope.evaluation_instance_type}")
    stored = checkpoint_gb + artifact_gb
    s3 = table.price("AmazonS3", "storage:standard", stored)

    def lines(train_seconds: int, evaluate_seconds: int, share: Decimal) -> tuple[Line, ...]:
        jobs = (
            ("training", envelope.instance_type, train_seconds * envelope.instance_count, training, share),
            ("evaluation", envelope.evaluation_instance_type, evaluate_seconds, evaluation, Decimal(1)),
        )
        found = []
        for name, instance, seconds, row, part in jobs:
            hours = Decimal(seconds) / SECONDS_AN_HOUR
            found.append(Line(f"{name} on {instance}", hours, row.unit, row.usd * part, row))
            if instance.split(".")[1] not in OWN_DISKS:
                volume = table.price(SAGEMAKER, "storage:training")
                months = hours * envelope.volume_gb / HOURS_A_MONTH
                found.append(Line(f"{name}, volumes", months, volume.unit, volume.usd, volume))
        return (*found, Line("checkpoints and artifact in S3, a month", stored, s3.unit, s3.usd, s3))

    limit = envelope.evaluation_max_runtime_seconds
    ceiling = lines(envelope.attempts * envelope.max_runtime_seconds, envelope.attempts * limit, Decimal(1))
    share = spot_share if envelope.spot else Decimal(1)
    if expected_seconds is None or share is None:
        return RunPrice(ceiling)
    evaluate = limit if expected_evaluation_seconds is None else expected_evaluation_seconds
    return RunPrice(ceiling, lines(expected_seconds, evaluate, share))


def _cents(lines: tuple[Line, ...]) -> Decimal:
    # Thirds of an hour aren't exact: what is a cent too much by their rounding alone is none.
    exact = sum((line.usd for line in lines), Decimal(0)).quantize(Decimal("1e-9"))
    return exact.quantize(Decimal("0.01"), ROUND_CEILING)

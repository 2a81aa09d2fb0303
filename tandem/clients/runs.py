"""Fine-tuning runs of a deployed stack."""

import functools
from typing import TYPE_CHECKING, Any

from tandem.clients.pulumi_stack import Stack

if TYPE_CHECKING:
    from tandem_contract.run_record import Run

    from tandem.finetuning.backends.base import Backend


def open_run(name: str, stack: Stack, **options: Any) -> "tuple[Backend, Run]":
    """A run's record, and the back end that it is of; `options` are those of `Workspace`. Raises `TandemError`."""
    from tandem.finetuning.backends.base import RunRecords

    run = RunRecords(stack.client("s3"), *stack.pick("artifactBucket")).get(name)
    return open_backend(run.runs_at, stack, **options), run


def open_backend(name: str, stack: Stack, **options: Any) -> "Backend":
    """The back end of that name, for a stack."""
    from tandem.finetuning.backend_table import facts
    from tandem.finetuning.backends import base

    names = (*base.OUTPUTS, *facts(name).outputs)
    outputs = dict(zip(names, stack.pick(*names), strict=True))
    return base.open_backend(name, base.Workspace(functools.cache(stack.client), outputs, **options))

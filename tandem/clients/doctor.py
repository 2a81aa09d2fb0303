"""What `tandem doctor` finds: checks that look and change nothing, run side by side within a time."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from tandem_contract.errors import TandemError

OK, WARNING, PROBLEM, SKIPPED, UNKNOWN = "ok", "warning", "problem", "skipped", "unknown"


class Finding(NamedTuple):
    """What a check has found. A warning is what may be wanted as it is; unknown is what nobody answered: never ok."""

    state: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}" if self.remedy else self.text


Check = Callable[[], Finding]
"""Looks at one thing; a `TandemError` or an `OSError` that it raises is a problem."""


Name = TypeVar("Name")


def examine(checks: Mapping[Name, Check], seconds: float, late: str) -> dict[Name, Finding]:
    """The findings of the checks, by name and in their order.

    One that takes longer than `seconds` is a problem with the remedy `late`.
    """
    findings: dict[Name, Finding] = {}
    errors: list[Exception] = []

    def look(name: Name, check: Check) -> None:
        try:
            findings[name] = check()
        except TandemError as error:
            findings[name] = Finding(PROBLEM, str(error))
        except OSError as error:  # a folder that can't be looked into, a program of another machine
            findings[name] = Finding(PROBLEM, str(error), "mend what it names, and look again.")
        except Exception as error:  # a bug of ours, raised below
            errors.append(error)

    # Daemons: what waits for a name server can't be interrupted, and must not keep the command from ending.
    threads = [threading.Thread(target=look, args=check, daemon=True) for check in checks.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    silent = Finding(PROBLEM, f"no answer within {seconds:.0f} s", late)
    return {name: findings.get(name, silent) for name in checks}

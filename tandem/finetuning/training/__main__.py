"""Entry point of a container: `train` or `evaluate`, with a failure's reason where SageMaker reads it.

On a cluster, where nobody brings files or takes them away, `fetch` comes before these and `mirror` runs beside them.
"""

import argparse
import atexit
import functools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from tandem_contract.errors import TandemError

from . import external, hub, launcher, logs, models, ranks
from .evaluate import evaluate
from .fetch import fetch
from .layout import Interrupted, Layout, Refused, lacks_room
from .mirror import mirror, until_copied
from .place import Parser, gpus, host, place, prefer_image_driver
from .train import train

STEPS = {"train": train, "evaluate": evaluate}
CARRIES = {"fetch": fetch, "mirror": mirror}
# What programs raise for what they were given: another attempt would be given the same.
SAME_AGAIN = (TypeError, ValueError, LookupError, AttributeError, ImportError, AssertionError, NotImplementedError)
FAILED, REFUSED, INTERRUPTED = launcher.FAILED, launcher.REFUSED, launcher.INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one step of a run. Exits 2 when another attempt would end the same, 143 after SIGTERM, 1 when one may help.

    `train` starts itself again, in a process for each GPU (`launcher`), unless a program of the image's own trains.
    """
    given = Parser([*STEPS, *CARRIES], __doc__).read(arguments)
    layout = Layout.from_environment()
    if carry := CARRIES.get(given.step):
        return _guarded(given.step, lambda: carry(layout), lambda code, _reason: code)
    if ranks.is_one():
        with logs.kept(f"rank-{os.environ['RANK']}"):
            return _guarded(given.step, lambda: STEPS[given.step](layout), functools.partial(_ended, layout))
    layout.prepare()
    models.settle()
    prefer_image_driver(layout, given)
    with logs.kept(host(layout, given)):
        code = _guarded(given.step, lambda: _host(layout, given), functools.partial(_ended, layout))
    return until_copied(layout, code)


def _host(layout: Layout, given: argparse.Namespace) -> int | None:
    """The step, as a host's first process."""
    hub.sign_in()
    if given.step == "train" and not os.environ.get(external.VARIABLE):
        return launcher.launch(layout, given.step, given)
    gpus(place(layout, given))
    return STEPS[given.step](layout)


def _guarded(step: str, do: Callable[[], int | None], ends: Callable[[int, str], int]) -> int:
    """The exit code of what is done; `ends` is called with that of an error, and its reason."""
    try:
        return do() or 0
    except (Refused, Interrupted) as error:
        print(error, file=sys.stderr, flush=True)
        return ends(REFUSED if isinstance(error, Refused) else INTERRUPTED, str(error))
    except TandemError as error:
        print(error, file=sys.stderr, flush=True)
        return ends(FAILED, str(error))
    except Exception as error:
        traceback.print_exc()
        if lacks_room(error):  # which another attempt would fill again
            return ends(REFUSED, "There is no room left on the disk: raise tandem:volumeGb.")
        text = f"{step} failed unexpectedly: {type(error).__name__}: {error}. The log has the details."
        return ends(REFUSED if isinstance(error, SAME_AGAIN) else FAILED, text)


def _ended(layout: Layout, code: int, reason: str) -> int:
    """Say why to the launcher where there is one, since another rank may be the reason."""
    if not (ranks.is_one() and launcher.note(code, reason)):
        layout.fail(reason)
    return code


def run() -> NoReturn:
    """`main`, as a process of its own; a rank ends without its interpreter's end, which torch's threads may abort."""
    code = main()
    if not ranks.is_one():
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()

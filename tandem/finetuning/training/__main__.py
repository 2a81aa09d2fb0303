"""Entry point of a container: `train` or `evaluate`, with a failure's reason where SageMaker reads it."""

import argparse
import atexit
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from tandem_contract.errors import TandemError

from . import external, launcher, ranks
from .evaluate import evaluate
from .layout import Interrupted, Layout, Refused, lacks_room
from .place import add_flags
from .train import train

STEPS = {"train": train, "evaluate": evaluate}
FAILED, REFUSED, INTERRUPTED = launcher.FAILED, launcher.REFUSED, launcher.INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one step of a run. Exits 2 when it is refused, 143 after SIGTERM, 1 when it fails otherwise.

    `train` starts itself again, in a process for each GPU (`launcher`), unless a program of the image's own trains.
    """
    parser = argparse.ArgumentParser(prog="tandem.finetuning.training", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    add_flags(parser)
    given = parser.parse_args(arguments)
    layout, is_rank = Layout.from_environment(), ranks.is_one()
    if not is_rank:
        layout.prepare()
    try:
        if given.step == "train" and not is_rank and not os.environ.get(external.VARIABLE):
            return launcher.launch(layout, given.step, given)
        STEPS[given.step](layout)
    except (Refused, Interrupted) as error:
        print(error, file=sys.stderr, flush=True)
        return _ends(layout, REFUSED if isinstance(error, Refused) else INTERRUPTED, str(error))
    except TandemError as error:
        print(error, file=sys.stderr, flush=True)
        return _ends(layout, FAILED, str(error))
    except Exception as error:
        traceback.print_exc()
        if lacks_room(error):  # which another attempt would fill again
            return _ends(layout, REFUSED, "There is no room left on the disk: raise tandem:volumeGb.")
        text = f"{given.step} failed unexpectedly: {type(error).__name__}: {error}. The log has the details."
        return _ends(layout, FAILED, text)
    return 0


def _ends(layout: Layout, code: int, reason: str) -> int:
    """Say why, to the launcher where there is one, since another rank may be the reason."""
    if not (ranks.is_one() and launcher.note(code, reason)):
        layout.fail(reason)
    return code


def _leave(code: int) -> NoReturn:
    """End a rank without its interpreter's end, which threads of torch 2.9 may abort."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    (_leave if ranks.is_one() else sys.exit)(main())

"""Entry point of a container: `train` or `evaluate`, with a failure's reason where SageMaker reads it."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from .evaluate import evaluate
from .layout import Interrupted, Layout, Refused
from .train import train

STEPS = {"train": train, "evaluate": evaluate}
FAILED, REFUSED, INTERRUPTED = 1, 2, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one step of a run. Exits 2 when it is refused, 143 after SIGTERM, 1 when it fails otherwise."""
    parser = argparse.ArgumentParser(prog="tandem.finetuning.training", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    step = parser.parse_args(arguments).step
    layout = Layout.from_environment()
    layout.prepare()
    try:
        STEPS[step](layout)
    except (Refused, Interrupted) as error:
        print(error, file=sys.stderr, flush=True)
        layout.fail(str(error))
        return REFUSED if isinstance(error, Refused) else INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        layout.fail(f"{step} failed unexpectedly: {type(error).__name__}: {error}. The log has the details.")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())

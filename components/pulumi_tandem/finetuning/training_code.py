"""Training code as one zip that Python runs: `python3 tandem.pyz train`."""

import functools
from typing import NamedTuple

import pulumi

from ..foundation.function_code import archive, runtime_files

# What of tandem/finetuning runs elsewhere: in functions, and on a person's machine.
OTHERS = tuple(
    f"finetuning/{name}"
    for name in ("functions/", "backends/", "gate.py", "job_record.py", "promotion.py", "registry.py")
)
MAIN = b"from tandem.finetuning.training.__main__ import run\n\nrun()\n"


class TrainingCode(NamedTuple):
    """A file and its place in the artifact bucket."""

    key: str
    asset: pulumi.FileAsset


@functools.cache
def training_code() -> TrainingCode:
    """`tandem/finetuning` and `tandem/measures`; the place has the content's digest, so code never changes in place.

    The heavy packages (torch, transformers, peft, trl) are the training image's.
    """
    carried = runtime_files("finetuning", "measures", without=OTHERS)
    content = {name: path.read_bytes() for name, path in carried.items()}
    file = archive("training", ".pyz", content | {"__main__.py": MAIN})
    return TrainingCode(f"code/{file.stem.rpartition('-')[2]}/tandem.pyz", pulumi.FileAsset(str(file)))

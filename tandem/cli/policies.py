"""`tandem policies`: the rules on what a stack creates, as a policy pack for the Pulumi engine."""

from pathlib import Path
from typing import Annotated

import typer


def policies(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Folder to write; made where there is none.")] = Path(
        "policies"
    ),
) -> None:
    """Write a policy pack with Tandem's rules, for `pulumi preview --policy-pack FOLDER`.

    The folder is yours, to commit and to add rules to: Tandem's stay in the package, and change with it. It names the
    environment of this command, which needs pulumi-policy. Files in it that say something else are left alone.
    """
    import importlib.util

    from tandem_contract.errors import TandemError
    from tandem_policies import folder as pack

    if importlib.util.find_spec("pulumi_policy") is None:
        raise TandemError(
            "A policy pack needs Pulumi's policy SDK beside `tandem`: run `pip install pulumi-policy` in the same "
            "environment, or install Tandem with its extra `policies`."
        )
    pack.write(folder)
    typer.echo(f"{folder}: run `pulumi preview --policy-pack {folder}`")

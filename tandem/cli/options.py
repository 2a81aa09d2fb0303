"""Options that several commands have."""

from typing import Annotated

import typer

DEFAULT_STACK = "rag-dev"
StackOption = Annotated[str, typer.Option(envvar="TANDEM_STACK", help="Name of the Pulumi stack.")]
TokenOption = Annotated[
    str | None,
    typer.Option(envvar="TANDEM_TOKEN", help="JWT for a stack with auth: jwt; without one, requests are signed."),
]

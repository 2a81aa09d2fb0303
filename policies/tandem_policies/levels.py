"""The kinds of stacks, and how strict a rule can be with each."""

from typing import Literal, NamedTuple

Kind = Literal["dev", "prod"]
KINDS: tuple[Kind, ...] = ("dev", "prod")

MANDATORY, ADVISORY, DISABLED = "mandatory", "advisory", "disabled"


class Levels(NamedTuple):
    """`mandatory` blocks, `advisory` warns, `disabled` says nothing."""

    dev: str
    prod: str


ALWAYS = Levels(MANDATORY, MANDATORY)


def kind_of(stack: str) -> Kind:
    """The kind of a stack by its name: `dev` if that ends in `-dev` (or is it), else `prod`."""
    return "dev" if stack.rsplit("/", 1)[-1].rsplit("-", 1)[-1] == "dev" else "prod"

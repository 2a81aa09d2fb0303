"""The former name of `TandemError`."""

from tandem_contract.errors import TandemError as CommandError  # noqa: F401

"""The parts of the local cloud: other people's software, started, made as strict as AWS, and stopped."""

from typing import Any

TOKEN_REVIEW = "/_tandem/token-review"  # noqa: S105 - a path
ACCESS_POLICIES = "/_tandem/access-policies"
"""Paths of the emulator for the local Kubernetes: see `cluster_access`."""


class Refused(Exception):
    """AWS would answer with this error: its code, its message, the HTTP status, further fields."""

    def __init__(self, code: str, message: str, status: int = 400, **more: Any) -> None:
        super().__init__(message)
        self.code, self.status, self.more = code, status, more

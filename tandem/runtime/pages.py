"""Pagination: lists of AWS over all their pages."""

from collections.abc import Iterator
from typing import Any


def each(service: Any, operation: str, key: str, **request: Any) -> Iterator[dict[str, Any]]:
    """The entries that a list operation of a client has under `key`, page by page."""
    for page in service.get_paginator(operation).paginate(**request):
        yield from page.get(key, ())  # an empty page of S3 lacks it

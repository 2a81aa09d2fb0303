"""One row of what we rely on."""

from typing import NamedTuple

SURE = {
    "documented": "AWS says so.",
    "seen by others": "A public program, issue or recorded answer shows it.",
    "guess": "Nobody whom we found says so. The code stands either way, or says what it does if it isn't so.",
}


class Fact(NamedTuple):
    """One behaviour; `tested` is `FILE` or `FILE::TEST` below tests.

    `probe` is what would show it on an account, where `make verify-aws` doesn't say itself what it asks, or why not
    (`PROBES` and `NEVER` of `scripts/verify/probes.py`).
    """

    key: str
    fact: str
    sure: str
    source: str
    read: str
    tested: str = ""
    probe: str = ""

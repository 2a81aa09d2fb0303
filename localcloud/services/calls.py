"""What a program asks of AWS: the IAM actions and resources of its calls, without what they carry.

A program is noted that names itself in its user agent (`AWS_SDK_UA_APP_ID`, which every AWS SDK knows).
"""

import re

from localcloud import paths

LOG = paths.LOGS / "calls.log"
NAME = re.compile(r"\bapp/(\S+)")
_noted: set[str] = set()


def program(agent: str) -> str:
    """The name in a user agent; empty where there is none."""
    found = NAME.search(agent)
    return found[1] if found else ""


def note(program: str, action: str, resource: str) -> None:
    """Add a line to the log: the program, the action, and the ARN or `*`. What was noted before isn't again."""
    line = f"{program} {action} {resource}\n"
    if line not in _noted:
        _noted.add(line)
        with LOG.open("a") as log:
            log.write(line)

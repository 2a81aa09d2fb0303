"""The README's text, and the commands in it that tests run as they stand there."""

import re

from scripts.recorder import ROOT

README = (ROOT / "README.md").read_text()
CURL: str = re.search("```console\n(region=.*?curl --aws-sigv4.*?)```", README, re.DOTALL)[1]
QUESTION: str = re.search("--json '(.*)'", CURL)[1]

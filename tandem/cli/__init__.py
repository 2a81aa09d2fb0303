"""The `tandem` command line. At the top, modules import only typer and the standard library, so that it starts fast."""

import sys

# Before what an older Python can't read; an installer refuses it by itself.
if sys.version_info < (3, 11, 5):
    sys.exit("Python 3.11.5 or newer is needed; this is %s." % sys.version.split()[0])  # noqa: UP031

"""Whether what is installed is of one release: `pulumi_tandem`, and the core that it runs with.

They differ where an installer was told to ignore requirements, or where both were installed from source, which have
the core's files each (docs/adr/0015). It is looked at before more of the core is imported, which may lack something.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pulumi
import tandem_contract


def check_release() -> None:
    """Raises `pulumi.RunError`, which the engine prints without a traceback, where the core is another release's."""
    try:
        ours = distribution("pulumi-tandem")
    except PackageNotFoundError:  # in a clone, where both lie in one folder
        return
    # What is installed need not be this, which may be a clone's.
    here, core = Path(__file__).parent, tandem_contract.__version__
    if Path(str(ours.locate_file(here.name))) == here and ours.version != core:
        raise pulumi.RunError(
            f"pulumi-tandem {ours.version} is installed beside the core of {core}, in "
            f"{Path(tandem_contract.__file__).parent}: install both in one version. From source pulumi-tandem has the "
            "core inside: uninstall tandem-core, and install pulumi-tandem anew."
        )


check_release()

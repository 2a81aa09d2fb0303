"""What `tandem doctor` looks at for the local cloud: the entry point `tandem.checks`."""

from collections.abc import Mapping

from tandem_contract.errors import TandemError

from localcloud import paths
from localcloud.kubernetes import builds, control_plane
from localcloud.services import opensearch, supervisor
from localcloud.services.supervisor import Part
from tandem.clients.doctor import OK, WARNING, Check, Finding
from tandem.clients.machine import folder


def checks() -> Mapping[str, Check]:
    """By name."""
    return {
        "its folder": lambda: folder(paths.HOME, "work in a checkout that can be, or set TANDEM_LOCAL_HOME."),
        "its tools": lambda: folder(paths.TOOLS, "work in a checkout that can be."),
        "disk": lambda: Finding(OK, f"{supervisor.check_disk()} MB free, {supervisor.FREE_MEGABYTES} needed"),
        "Java": lambda: Finding(OK, opensearch.java()),
        "Kubernetes": _kubernetes,
        **{f"port of {part.name}": lambda part=part: _port(part) for part in control_plane.known()},
    }


def _kubernetes() -> Finding:
    """Only `up --kubernetes` needs it, so its lack is no problem."""
    try:
        builds.require()
    except TandemError as error:
        return Finding(WARNING, str(error))
    there = f"built, in {builds.folder()}" if builds.is_built() else "can be built, for `tandem local up --kubernetes`"
    return Finding(OK, there)


def _port(part: Part) -> Finding:
    if part.running():
        return Finding(OK, f"{part.port}, where it runs")
    part.check_port()
    return Finding(OK, f"{part.port}, free")

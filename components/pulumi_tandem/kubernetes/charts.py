"""Helm charts of `versions.CHARTS`, from where they are published or from a folder."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes.helm import v4

from .versions import CHARTS

FOLDER = "TANDEM_CHARTS"
"""Environment variable of the deployer: a folder that has each chart, unpacked, under its name."""


def chart(
    resource: str,
    name: str,
    namespace: str,
    values: Mapping[str, Any],
    *,
    release: str,
    version: str = "",
    provider: pulumi.ProviderResource,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
    crds: bool = True,
) -> v4.Chart:
    """The chart as resources, waited for until they run.

    `release` is the name of the Helm release, which charts make their objects' names of; `version` replaces the
    table's. From the folder of TANDEM_CHARTS, where that is set, the version is what lies there.
    """
    row = CHARTS[name]
    options = pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=list(depends_on))
    source: dict[str, Any] = {"chart": row.chart, "version": version or row.version}
    if row.repository:
        source["repository_opts"] = {"repo": row.repository}
    if folder := os.environ.get(FOLDER):
        source = {"chart": str(Path(folder) / name)}
    return v4.Chart(
        resource, name=release, namespace=namespace, values=values, skip_crds=not crds, opts=options, **source
    )

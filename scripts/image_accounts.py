"""Accounts of AWS's Deep Learning Containers by region, from the `sagemaker-core` wheel (`make image-accounts`).

The wheel is AWS's own client of SageMaker; it has a table of registries by region for each image. Nothing of it is run.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MODULE = Path(__file__).resolve().parent.parent / "components/pulumi_tandem/finetuning/image_accounts.py"
PACKAGE = "sagemaker-core"
CONFIGURATION = "sagemaker/core/image_uri_config/"
FIRST = "us-east-1"
"""Where the account of these containers is the one that AWS's pages name."""
DLC = "763104351884"
"""That account. Tables with another one there are of SageMaker's built-in algorithms."""


def accounts(wheel: Path) -> dict[str, str]:
    """Account by region of all Deep Learning Containers of a wheel.

    Raises `ValueError` where two images of a region are in different accounts: one row a region would be wrong then.
    """
    found: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.startswith(CONFIGURATION) or not name.endswith(".json"):
                continue
            for registries in _registries(json.loads(archive.read(name))):
                if registries.get(FIRST) != DLC:
                    continue
                for region, account in registries.items():
                    if found.setdefault(region, account) != account:
                        raise ValueError(f"{name}: {region} has {account}, and {found[region]} for another image")
    return dict(sorted(found.items()))


def packed(wheel: Path) -> tuple[str, str]:
    """Version of a wheel, and the day on which it was packed."""
    with zipfile.ZipFile(wheel) as archive:
        year, month, day, *_ = max(each.date_time for each in archive.infolist())
    return wheel.name.split("-")[1], f"{year:04}-{month:02}-{day:02}"


def module(found: Mapping[str, str], version: str, day: str) -> str:
    """The module of these rows."""
    rows = "".join(f'    "{region}": "{account}",\n' for region, account in found.items())
    return (
        '"""Accounts of AWS\'s Deep Learning Containers by region. Written by `make image-accounts`."""\n\n'
        f'SOURCE = "{PACKAGE} {version} (PyPI), {CONFIGURATION}, packed {day}"\n'
        f"ACCOUNTS = {{\n{rows}}}\n"
    )


def _registries(content: Any) -> Iterator[Mapping[str, str]]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "registries" and isinstance(value, dict):
                yield value
            else:
                yield from _registries(value)
    elif isinstance(content, list):
        for value in content:
            yield from _registries(value)


def main() -> None:
    """Fetch the newest wheel by pip, and write the module."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        found = accounts(wheel)
        MODULE.write_text(module(found, *packed(wheel)), encoding="utf-8")
    print(f"{len(found)} regions")


if __name__ == "__main__":
    main()

"""Where Bedrock serves which model: writes the rows from a release of bedrock-usage-analyzer, AWS's own.

    pip download --no-deps --pre bedrock-usage-analyzer
    python -m scripts.bedrock_models bedrock_usage_analyzer-*.whl

Its files `metadata/fm-list-REGION.yml` are what ListFoundationModels and ListInferenceProfiles answered in each region.
"""

import json
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

ROWS = Path(__file__).parents[1] / "components" / "tandem_contract" / "bedrock_models.json"
NOT_TEXT = ("luma.", "stability.", "twelvelabs.")
LISTS = "bedrock_usage_analyzer/metadata/fm-list-"


def rows(wheel: Path) -> dict[str, Any]:
    """The content of `bedrock_models.json` by a wheel: of each model the regions that serve its id or a profile."""
    models: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with zipfile.ZipFile(wheel) as lists:
        files = sorted(name for name in lists.namelist() if name.startswith(LISTS))
        regions = [name.removeprefix(LISTS).removesuffix(".yml") for name in files]
        made = max(lists.getinfo(name).date_time for name in files)
        for name, region in zip(files, regions, strict=True):
            for entry in yaml.safe_load(lists.read(name))["models"]:
                profiles = entry.get("inference_profiles", [])
                served = ["", *profiles] if "ON_DEMAND" in entry["inference_types"] else profiles
                for each in served if not entry["model_id"].startswith(NOT_TEXT) else ():
                    models[entry["model_id"]][each].append(region)
    return {
        "source": f"PyPI {wheel.name.rsplit('-', 3)[0]}, metadata/fm-list-*.yml",
        "date": "-".join(f"{number:02}" for number in made[:3]),
        "regions": " ".join(regions),
        "models": {
            model: {each: " ".join(found) for each, found in sorted(served.items())}
            for model, served in sorted(models.items())
        },
    }


def main() -> None:
    """Write the rows by the wheel that the command names."""
    text = json.dumps(rows(Path(sys.argv[1])), indent=1)
    ROWS.write_text(f"{text}\n")


if __name__ == "__main__":
    main()

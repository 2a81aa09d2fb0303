"""Hosts the components as a Pulumi plugin for programs in any language."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    import pulumi
    import pulumi_tandem
    from pulumi.provider.experimental import component_provider_host
    from pulumi_tandem.foundation.function_code import runtime_folder

    try:
        runtime_folder()
    except pulumi.RunError as error:
        sys.exit(str(error))
    environments: list = [
        pulumi_tandem.RagEnvironment,
        pulumi_tandem.FineTuningEnvironment,
        pulumi_tandem.HybridEnvironment,
    ]
    component_provider_host(environments, "tandem", version=pulumi_tandem.__version__)

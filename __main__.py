"""The stack program: reads the configuration, builds one environment, exports its outputs."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pulumi

if not find_spec("pulumi_tandem"):  # in the environment that Pulumi makes of requirements.txt (docs/adr/0016)
    sys.path.insert(0, str(Path(__file__).resolve().with_name("components")))

from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, HybridEnvironmentArgs, RagEnvironment
from pulumi_tandem.configuration import by_key, environment, stack_configuration
from pulumi_tandem.foundation.outputs import declared
from tandem_contract.fields import camel

FOR_PROGRAMS = {"query_invoke_arn", "index_name", "api_name", "guard_function"}  # which make something of them

wanted = environment(stack_configuration(), stack_configuration("aws"))
with by_key():
    if wanted.kind == "rag":
        made = RagEnvironment("rag", wanted.arguments["rag"])
    elif wanted.kind == "finetuning":
        made = FineTuningEnvironment("tuning", wanted.arguments["finetuning"])
    else:
        parts: HybridEnvironmentArgs = {
            "rag": wanted.arguments["rag"],
            "finetuning": wanted.arguments["finetuning"],
            **wanted.arguments["hybrid"],
        }
        made = HybridEnvironment("hybrid", parts)

for output in declared(type(made)):
    if output not in FOR_PROGRAMS:
        pulumi.export(camel(output), getattr(made, output))

"""The components as a Pulumi plugin, for programs in any language.

`ComponentProvider` reads components and arguments from their annotations. What it can't say of them, and doesn't do, is
here: texts and names for other languages, defaults, what the package is; mistakes as those of properties.
"""

import inspect
import json
import re
import sys
from typing import Any

import pulumi
from pulumi.output import Unknown
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError
from tandem_contract import __version__
from tandem_contract.errors import SHOWN
from tandem_contract.fields import Table, camel, snake

from .components import COMPONENTS
from .foundation.arguments import InvalidArguments
from .foundation.function_code import runtime_folder
from .spelling import respelled, spelled

# https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/#package
PACKAGE = {
    "displayName": "Tandem",
    "description": "Pulumi components for retrieval-augmented generation and fine-tuning on AWS",
    "keywords": [
        "kind/component",
        "category/cloud",
        *("aws", "bedrock", "fine-tuning", "llm", "opensearch", "pulumi", "rag", "sagemaker"),
    ],
    "license": "Apache-2.0",
    "homepage": "https://github.com/OWNER/tandem",
    "repository": "https://github.com/OWNER/tandem",
    "publisher": "The Tandem authors",
}
"""As pyproject.toml has it, which a plugin that is run from its folder doesn't bring."""
NAMESPACE = "tandem"
"""Before the package's name in SDKs: `@tandem/tandem`. Without one it would be Pulumi's own."""
# Python's word for it, which a docstring has.
RAISES, REPORTED = (
    "Raises `InvalidArguments`, with every mistake,",
    "Every mistake in its arguments is reported at once,",
)


class Plugin(ComponentProvider):
    """Makes the components for a program in another language."""

    def __init__(self) -> None:
        super().__init__(list(COMPONENTS), "tandem", NAMESPACE, __version__)
        self.schema = json.dumps(_completed(json.loads(self.schema or "{}")))

    def map_inputs(self, inputs: Any, component_def: Any) -> Any:
        """The arguments in Python's names, whatever their values are: each component checks them, and tells everything
        at once, where the base class ends at the first."""
        (table,) = (table for component, table in COMPONENTS.items() if component.__name__ == component_def.name)
        return table.in_snake_case(_read(inputs))

    def construct(self, *args: Any, **more: Any) -> ConstructResult:
        try:
            return super().construct(*args, **more)
        except ComponentInitError as error:
            if isinstance(error.inner, InvalidArguments):
                raise _of_properties(error.inner) from error
            if isinstance(error.inner, pulumi.RunError):  # a sentence for people, which needs no traceback
                raise pulumi.InputPropertiesError(str(error.inner)) from error
            raise


def _of_properties(error: InvalidArguments) -> pulumi.InputPropertiesError:
    mistakes = [respelled(each) for each in error.mistakes[:SHOWN]]
    return pulumi.InputPropertiesError(
        str(error).partition("\n")[0],
        [{"property_path": each.where, "reason": f"{each.problem}. {each.remedy}"} for each in mistakes],
    )


def _read(value: Any) -> Any:
    """Numbers without a fraction as whole ones: the engine sends all of them as floats (pulumi/pulumi#21944).

    What isn't known yet as an output, also where an SDK sends a sign for it alone.
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Unknown):
        return pulumi.Output.from_input(value)
    if isinstance(value, list):
        return [_read(each) for each in value]
    return {key: _read(each) for key, each in value.items()} if isinstance(value, dict) else value


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what the package is, defaults, and texts and names as other languages show them."""
    tables = {each.name: each for table in COMPONENTS.values() for each in table.within()}
    for component, table in COMPONENTS.items():
        resource = schema["resources"][f"tandem:index:{component.__name__}"]
        _add_defaults(resource["inputProperties"], table)
        _add_inherited(resource["properties"], component)
    for token, kind in schema["types"].items():
        for member in kind.get("enum", ()):
            member["name"] = "".join(word.capitalize() for word in member["name"].split("_"))
        if "properties" in kind:
            _add_defaults(kind["properties"], tables[token.rpartition(":")[2]])
    # Generators add `Args` to a type of arguments within others, and a component's own arguments have that name.
    text = re.sub(r'tandem:index:(\w+?)(?:Environment)?Args"', r'tandem:index:\1Settings"', json.dumps(_told(schema)))
    completed: dict[str, Any] = {**json.loads(text), **PACKAGE}
    completed["language"]["nodejs"]["packageDescription"] = PACKAGE["description"]  # npm's, which has one of its own
    return completed


def _add_defaults(properties: dict[str, Any], table: Table) -> None:
    for key, property_ in properties.items():
        default = table.fields[snake(key)].default
        if isinstance(default, bool | int | float) or (isinstance(default, str) and default):
            property_["default"] = default


def _add_inherited(properties: dict[str, Any], component: type) -> None:
    """Texts of the outputs that a base of the component declares: the host looks for them in its own class alone."""
    for base in component.__mro__[1:]:
        for name in inspect.get_annotations(base):
            if camel(name) in properties and (text := Analyzer("tandem").get_docstring(base, name)):
                properties[camel(name)].setdefault("description", text)


def _told(content: Any, key: str = "") -> Any:
    """A part of the schema with its docstrings as texts for all languages."""
    if isinstance(content, list):
        return [_told(each) for each in content]
    if not isinstance(content, dict):
        return content
    told = {name: _told(each, name) for name, each in content.items()}
    if text := told.pop("description", ""):
        text = spelled(inspect.cleandoc(text).replace(RAISES, REPORTED))
        text, _, deprecated = text.partition(" Deprecated: ")  # which SDKs say of themselves
        if key not in ("items", "additionalProperties"):  # which have their property's again
            told = {"description": text, **told}
        if deprecated:
            told["deprecationMessage"] = deprecated[0].upper() + deprecated[1:]
    return told


def run() -> None:
    """Serves the engine that has started this process, until it ends it."""
    try:
        runtime_folder()
    except pulumi.RunError as error:
        sys.exit(str(error))
    main(Plugin(), sys.argv[1:])

"""Declarations of configuration keys: each once, with its default, limits, remedy and help.

Defaults, checks, typed arguments, `Pulumi.yaml`, and the schema's descriptions come from a declaration
(docs/adding-a-config-key.md).
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from . import __version__
from .arns import ACCOUNT, REGION, Arn, check_arn_place
from .checks import NOT_EMPTY, Checks, is_output


class Field(NamedTuple):
    """One key. Its kind follows from the rest: a nested table, a choice, a number, a list, or what its default is."""

    default: Any
    """Empty for a number that, where it isn't given, follows from something else."""
    help: str = ""
    """Sentences: what it is for. Default and limits are said without it."""
    low: float | None = None
    """Least number. Whole limits ask for a whole number; `0.0` to infinity takes any amount."""
    high: float | None = None
    unit: str = ""
    choices: Collection[str] = ()
    """Allowed texts: an enum of them where the typed arguments shall have it."""
    enum: type | None = None
    """That enum, where `choices` is something else."""
    pattern: str = NOT_EMPTY
    """What a text has to match as a whole; the default is always allowed."""
    arn: Arn | None = None
    """What ARN it is, which has that pattern and can be used where the component is put."""
    allowed: str = "a text"
    """What `pattern` matches, in words."""
    hidden: bool = False
    """Whether one that doesn't match isn't shown: it may be the secret that the right one only names."""
    remedy: str = ""
    """A sentence: what to think of when choosing another value."""
    cost: str = ""
    """Sentences: what it does to the bill."""
    table: "Table | None" = None
    items: "Table | None" = None
    """Of what the default is a list; without it a list holds texts, each as `pattern` has it."""
    check: "Callable[[Checks, str, Any], None] | None" = None
    """What else has to hold of a mapping; takes checks, the key and the mapping."""
    output: bool = False
    """Whether it may be another resource's output, which nobody can look into; of a list or mapping, what is in it."""
    config: bool = True
    """Whether a stack's configuration can give it, not only a program."""
    variable: str = ""
    """The environment variable that tells it to a function."""
    required: bool = False
    """Whether it has to be given: a text that nothing else follows from. Its default is empty."""

    def read(self, checks: Checks, key: str, value: Any) -> Any:
        """The value; the default where there is none, complete where it is a table; None where it is refused."""
        if self.required and value in (None, ""):
            return checks.missing(key, self.remedy)
        if is_output(value) and (self.table or self.default == {}):
            value = self._unknown(checks, key)
        if self.table:
            example = next(iter(self.table.fields))
            remedy = f"For example {{{example!r}: {self.table.fields[example].default!r}}}.".replace("'", '"')
            given = self.default if value is None else checks.mapping(key, value, remedy)
            return self.table.read(checks.under(key), given)
        if isinstance(self.default, list):
            return self._list(checks, key, self.default if value is None else value)
        if value is None or (type(value) is type(self.default) and value == self.default):
            return self.default
        if is_output(value):
            return value if self.output else self._unknown(checks, key)
        if self.choices:
            return checks.choice(key, value, [str.__str__(each) for each in self.choices], self.remedy)
        if self.low is not None and self.high is not None:
            remedy = self.remedy or f"The default is {self.default}."
            number = checks.number(key, value, self.low, self.high, self.unit, remedy)
            return value if isinstance(number, float) else number
        if isinstance(self.default, bool):
            return checks.flag(key, value, **({"remedy": self.remedy} if self.remedy else {}))
        if isinstance(self.default, Mapping):
            mapping = checks.mapping(key, value, self.remedy)
            for name in () if self.output else (name for name, each in mapping.items() if is_output(each)):
                self._unknown(checks.under(key), name)
            if self.check:
                self.check(checks, key, mapping)
            return mapping
        return self._text(checks, key, value)

    def _text(self, checks: Checks, key: str, value: Any) -> str | None:
        pattern = self.arn.pattern if self.arn else self.pattern
        if self.hidden and not (isinstance(value, str) and re.fullmatch(pattern, value)):
            return checks.add(key, f"is not {self.allowed}", self.remedy)
        remedy = self._output_of(key, value) or self.remedy
        return checks.text(key, value, self.allowed, remedy, pattern)

    def _output_of(self, key: str, value: Any) -> str:
        """Which output of a resource to give in place of it as a whole; nothing where it is none, or has none."""
        if not self.output or not is_output(getattr(value, "urn", None)):
            return ""
        names = ["arn"] if self.arn else ["bucket", "bucket_name", "domain_name", "table_name", "name", "arn"]
        found = next((each for each in (key, *names) if is_output(getattr(value, each, None))), "")
        return f"Give its output `{found}`." if found else ""

    def _list(self, checks: Checks, key: str, value: Any) -> list[Any] | None:
        """Each of a list, complete where it is a table; None where one is refused."""
        mistakes, read = len(checks.mistakes), []
        if is_output(value):
            return self._unknown(checks, key)
        for number, each in enumerate(checks.sequence(key, value)):
            place = f"{key}[{number}]"
            if self.items:
                given = checks.mapping(place, each, f"Write the keys of {self.items.name}.")
                read.append(self.items.read(checks.under(place), given))
            elif is_output(each):
                read.append(each if self.output else self._unknown(checks, place))
            else:
                read.append(self._text(checks, place, each))
        return None if not self.items and len(checks.mistakes) > mistakes else read

    def _unknown(self, checks: Checks, key: str) -> None:
        """Refuses an output that somebody has to look into."""
        if self.output and isinstance(self.default, list):
            remedy = f"Write a list of outputs, which are its elements: [{key}[0], {key}[1]]."
            checks.add(key, "is an output: how many it has isn't known before it is there", remedy)
        elif self.output and isinstance(self.default, Mapping):
            checks.add(
                key,
                "is an output: its keys aren't known before it is there",
                "Write keys, whose values may be outputs.",
            )
        else:
            remedy = "Write the value itself: it is read before anything is made."
            checks.add(key, "is an output, which isn't known before it is there", remedy)

    def parsed(self, text: str) -> Any:
        """The value that a text stands for; the text itself where it can't be read, for the check to name."""
        if isinstance(self.default, bool):
            return {"true": True, "false": False}.get(text.lower(), text)
        try:
            if self.low is not None:
                number = float(text)
                return int(number) if isinstance(self.low, int) and number.is_integer() else number
            if isinstance(self.default, dict | list):
                return self.in_snake_case(json.loads(text))
        except (ValueError, RecursionError):
            pass
        return text

    def twice(self, text: str) -> list[str]:
        """The keys that stand twice in an object of the JSON that `parsed` reads, of which it keeps the last."""
        found: list[str] = []

        def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
            return dict(pairs)

        if isinstance(self.default, dict | list):
            with suppress(ValueError, RecursionError):
                json.loads(text, object_pairs_hook=noted)
        return found

    def in_snake_case(self, content: Any) -> Any:
        """Content of JSON with the keys of tables in snake_case; those of labels and the like are nobody's fields."""
        if isinstance(content, list):
            return [self.in_snake_case(each) for each in content]
        table = self.table or self.items
        return table.in_snake_case(content) if table and isinstance(content, Mapping) else content

    def written(self, value: Any) -> Any:
        """The text that `parsed` reads; a text, and another resource's output, as it is."""
        kind = type(self.default if self.low is None else self.low)
        return value if kind is str else json.dumps(kind(value))


class Table(NamedTuple):
    """Keys that are given together."""

    name: str
    """Of the class of typed arguments."""
    help: str
    fields: Mapping[str, Field]
    rules: "Callable[[Checks, dict[str, Any], Mapping[str, Any]], None] | None" = None
    """What has to hold between keys: takes checks, the values as `read` returns them, and what was given for them."""

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of each key."""
        return {name: field.default for name, field in self.fields.items()}

    def read(self, checks: Checks, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every key with its value, as `Field.read` has it; keys that this release doesn't have are refused."""
        checks.known(given, self.fields, f"an argument of Tandem {__version__}")
        values = {name: field.read(checks, name, given.get(name)) for name, field in self.fields.items()}
        if self.rules:
            # A default that is written out says nothing: SDKs of other languages and stack files write every one.
            own = {
                name: each
                for name, each in given.items()
                if name in values and each not in (None, self.fields[name].default)
            }
            self.rules(checks, values, own)
        return values

    def check_arns(self, checks: Checks, values: dict[str, Any], region: str, account: Callable[[], str] = str) -> None:
        """Whether each ARN in values, as `read` returns them, can be used in a region, empty where it isn't known.

        One that can't is None from here on. `account` is asked where an ARN has to be of it, and may not know it.
        """
        for key, field in self.fields.items():
            value = values[key]
            if field.table:
                field.table.check_arns(checks.under(key), value, region, account)
            if field.items:
                for number, each in enumerate(value or ()):
                    field.items.check_arns(checks.under(f"{key}[{number}]"), each, region, account)
            if not field.arn:
                continue
            known, same = len(checks.mistakes), field.arn.same
            texts = {f"{key}[{number}]": each for number, each in enumerate(value)} if isinstance(value, list) else {}
            for place, text in (texts or {key: value}).items():
                if isinstance(text, str) and text:
                    mine = account() if ACCOUNT in same else ""
                    check_arn_place(checks, place, text, region, mine, regional=REGION in same)
            if len(checks.mistakes) > known:
                values[key] = None

    def within(self) -> "Iterator[Table]":
        """Itself and the tables in it, the inner ones first."""
        for field in self.fields.values():
            if inner := field.table or field.items:
                yield from inner.within()
        yield self

    def in_snake_case(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What was given in camelCase, with the keys of this and of inner tables in snake_case, where they are keys."""
        named = {key: snake(key) if snake(key) in self.fields else key for key in content}
        return {
            name: self.fields[name].in_snake_case(content[key]) if name in self.fields else content[key]
            for key, name in named.items()
        }


def variables(fields: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """The environment variables of a function that reads `fields`; a text that is empty has none."""
    return {field.variable: field.written(values[key]) for key, field in fields.items() if values[key] != ""}


def from_environment(fields: Mapping[str, Field]) -> dict[str, Any]:
    """What `variables` told the function that asks; the default of what it didn't."""
    return {
        name: field.parsed(os.environ[field.variable]) if field.variable in os.environ else field.default
        for name, field in fields.items()
    }


def camel(name: str) -> str:
    """`chunk_tokens` as `chunkTokens`: how a stack's configuration and other languages write a key."""
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def snake(key: str) -> str:
    """`chunkTokens` as `chunk_tokens`."""
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key)

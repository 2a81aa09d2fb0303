"""The messages of a row, in the spellings that data sets have them, and what may follow what."""

import json
from collections.abc import Collection
from typing import Any

from tandem_contract.checks import Checks, shown

from . import strict_json
from .fields import MESSAGE, ROLES, WEIGHTS, is_empty

SPELLINGS = "an object with role and content (or from and value)"
OF_A_CALL = "an object with a function's name and arguments"
CALLED = frozenset({"name", "arguments", "parameters"})  # of a function that is called; some call arguments parameters
PART = frozenset({"type", "cache_control", "citations", "annotations"})  # of a content, beside its text
CALL = frozenset({"id", "type", "index"})  # of a call, beside the function


class Turns:
    """The messages of a row as they are read: (role, text), and what a message has beside."""

    def __init__(self, checks: Checks) -> None:
        """`checks` are of the row's line."""
        self.checks = checks
        self.messages: list[tuple[str, str]] = []
        self.more: dict[int, dict[str, Any]] = {}
        self.others: dict[str, Any] = {}
        """Fields of messages that nothing here reads, as `messages[].name`, with one value of each."""
        self.fields: list[str | tuple[str, int]] = []
        """Where each message stands, to name it in a mistake."""
        self.are_whole = True
        """Whether all messages and their roles are known, so that their order can be looked at."""

    def add(self, role: str, content: Any, field: str) -> None:
        """A message of one text."""
        self.messages.append((role, text(content, field, self.checks)))
        self.fields.append(field)

    def read(self, turns: Any, name: str) -> None:
        """Read the list of messages that the row has as `name`."""
        if not isinstance(turns, list) or not turns:
            self.checks.refuse(name, turns, "a list of messages", f"Each entry is {SPELLINGS}.")
            self.are_whole = False
            return
        for number, turn in enumerate(turns):
            if type(turn) is dict and len(turn) == 2 and turn.get("role") != "function_call":
                # Most messages are so; the rest of the function is for all others.
                role, said = ROLES.get(turn.get("role")) if type(turn.get("role")) is str else None, turn.get("content")
                if role in ("system", "user", "assistant") and type(said) is str and is_clean(said):
                    self.messages.append((role, said))
                    self.fields.append((name, number))
                    continue
            self._turn(turn, f"{name}[{number}]", f"{name}[]")

    def _turn(self, turn: Any, field: str, every: str) -> None:
        checks = self.checks
        if not isinstance(turn, dict):
            checks.refuse(field, turn, SPELLINGS, "Make it one.")
            self.are_whole = False
            return
        role_key = "from" if "from" in turn and "role" not in turn else "role"
        text_key = "value" if "content" not in turn and ("value" in turn or role_key == "from") else "content"
        given = turn.get(role_key)
        if role_key not in turn:
            checks.missing(f"{field}.role", f"Add it: one of {', '.join(ROLES)}.")
            role = None
        else:
            role = ROLES.get(checks.choice(f"{field}.{role_key}", given, ROLES))
        self.are_whole = self.are_whole and role is not None
        more: dict[str, Any] = {}
        calls, said = self._calls_of(turn, field), turn.get(text_key)
        if given == "function_call" and not is_empty(said):
            calls, said = calls + self._calls(said, f"{field}.{text_key}"), ""
        if calls and role != "assistant":
            checks.add(f"{field}.tool_calls", "only the assistant calls tools", "Give them to its message.")
        if calls:
            more["tool_calls"] = calls
        if calls and is_empty(said):
            said = ""
        elif text_key not in turn:
            checks.missing(f"{field}.{text_key}", "Add it, a text.")
        else:
            said = text(said, f"{field}.{text_key}", checks, of_a_message=True)
        if (weight := self._weight(turn, role, field)) is not None:
            more["weight"] = weight
        if role == "tool":
            more |= {key: turn[key] for key in ("tool_call_id", "name") if isinstance(turn.get(key), str)}
        for key in turn.keys() - {role_key, text_key} - (MESSAGE - {"role", "from", "content", "value"}) - more.keys():
            if not is_empty(turn[key]):
                self.others[f"{every}.{key}"] = turn[key]
        if more:
            self.more[len(self.messages)] = more
        self.messages.append((role or "", said if isinstance(said, str) else ""))
        self.fields.append(f"{field}.{role_key}")

    def _weight(self, turn: dict[str, Any], role: str | None, field: str) -> int | None:
        """0 where the message is not to be learned, else None."""
        weight = None
        for key in WEIGHTS:
            if is_empty(value := turn.get(key)):
                continue
            if isinstance(value, str) or value not in (0, 1):
                allowed = "0 for an answer that isn't to be learned, or 1"
                self.checks.refuse(f"{field}.{key}", value, allowed, "Choose one of these.")
            elif role != "assistant" and value:
                problem = f"{value} stands at a message that isn't the assistant's, and only its messages are learned"
                self.checks.add(f"{field}.{key}", problem, "Write 0, or take it away.")
            elif role == "assistant" and not value:
                weight = 0
        return weight

    def _calls_of(self, turn: dict[str, Any], field: str) -> list[dict[str, Any]]:
        calls = [] if is_empty(turn.get("tool_calls")) else self._calls(turn["tool_calls"], f"{field}.tool_calls")
        if not is_empty(turn.get("function_call")):  # of OpenAI, before there were tools
            calls += self._calls(turn["function_call"], f"{field}.function_call")
        return calls

    def _calls(self, given: Any, field: str) -> list[dict[str, Any]]:
        """Calls as OpenAI's API has them: `arguments` is JSON in a text."""
        held = parsed(given, field, self.checks)
        calls = []
        for number, call in enumerate(held if isinstance(held, list) else [held]):
            place = f"{field}[{number}]" if isinstance(held, list) else field
            function = call.get("function", call) if isinstance(call, dict) else None
            name = function.get("name") if isinstance(function, dict) else None
            if not isinstance(function, dict) or not isinstance(name, str) or not name.strip():
                self.checks.refuse(place, call, OF_A_CALL, "Write it as the API of OpenAI has it.")
                continue
            known = CALLED | CALL if function is call else CALLED
            self._refuse_others(function, known, place)
            if function is not call:
                self._refuse_others(call, CALL | {"function"}, place)
            key = "arguments" if function.get("arguments") not in (None, "") else "parameters"
            if key == "arguments" and not is_empty(function.get("parameters")):
                self.checks.add(f"{place}.parameters", "it has arguments too", "Keep one of the two.")
            arguments = {} if function.get(key) in (None, "") else function[key]
            values = parsed(arguments, f"{place}.{key}", self.checks)
            if not isinstance(values, dict):
                self.checks.refuse(f"{place}.{key}", arguments, "an object", "Name each argument.")
                continue
            _refuse_inexact(values, f"{place}.{key}", self.checks)
            written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            identity = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
            calls.append({**identity, "type": "function", "function": {"name": name, "arguments": written}})
        return calls

    def _refuse_others(self, held: dict[str, Any], known: Collection[str], place: str) -> None:
        for key in sorted(held.keys() - known):
            if not is_empty(held[key]):
                remedy = "Write it as the API of OpenAI has it: a function's name and its arguments."
                self.checks.add(f"{place}.{key}", "nothing here reads such a field of a call", remedy)

    def check(self, name: str, tools: tuple[dict[str, Any], ...]) -> None:
        """Add a mistake where a message is out of turn, nothing is learned, or a tool is called that isn't there."""
        if not self.are_whole or not self.messages:
            return
        roles = [role for role, _ in self.messages]
        start = 1 if roles[0] == "system" else 0
        if not self.more and roles[start:] == ["user", "assistant"]:
            return
        expected = ("user",)
        for number, role in enumerate(roles[start:], start=start):
            if role not in expected:
                remedy = "At most one system message first, then user and assistant in turn; a tool answers a call."
                field = self.fields[number]
                field = field if isinstance(field, str) else f"{field[0]}[{field[1]}].role"
                self.checks.refuse(field, role, f"{' or '.join(expected)} is due here", remedy)
                return
            if role == "assistant":
                expected = ("tool",) if "tool_calls" in self.more.get(number, {}) else ("user",)
            elif role == "tool":
                expected = ("tool", "assistant")
            else:
                expected = ("assistant",)
        if roles[-1] != "assistant":
            remedy = "End with the assistant's answer, which is what is learned."
            self.checks.refuse(name, roles, "the last one is the assistant's", remedy)
        elif all(self.more.get(at, {}).get("weight") == 0 for at, role in enumerate(roles) if role == "assistant"):
            self.checks.add(name, "every answer has weight 0: there is nothing to learn", "Leave the row out.")
        self._check_answers()
        if tools:
            known = {tool["function"]["name"] for tool in tools}
            for number, more in self.more.items():
                for call in more.get("tool_calls", ()):
                    if (called := call["function"]["name"]) not in known:
                        allowed = f"one of the row's tools: {', '.join(sorted(known))}"
                        self.checks.refuse(f"{name}[{number}].tool_calls", called, allowed, "Describe it in `tools`.")

    def _check_answers(self) -> None:
        """Refuse answers of tools that aren't one for each call; calls without ids may share one (ShareGPT's do)."""
        for number, more in self.more.items():
            calls = [call.get("id") for call in more.get("tool_calls", ())]
            answers: list[str | None] = []
            for at in range(number + 1, len(self.messages)):
                if self.messages[at][0] != "tool":
                    break
                answers.append(self.more.get(at, {}).get("tool_call_id"))
            if not calls or not answers or None in calls:
                continue
            if len(answers) != len(calls) or (None not in answers and set(answers) != set(calls)):
                place = str(self.fields[number]).rpartition(".")[0]
                allowed = f"one for each call: {', '.join(map(str, calls))}"
                self.checks.refuse(f"{place}: the tool's answers", answers, allowed, "Mend their `tool_call_id`.")

    def learned(self) -> int:
        """How many messages there are up to the last answer that is learned."""
        at = len(self.messages)
        while self.messages[at - 1][0] != "assistant" or self.more.get(at - 1, {}).get("weight") == 0:
            at -= 1
        return at


def read_tools(value: Any, field: str, checks: Checks) -> tuple[dict[str, Any], ...]:
    """The tools of a row as OpenAI's API has them; a list, also as JSON in a text, also of bare functions."""
    held = parsed(value, field, checks)
    if not isinstance(held, list):
        checks.refuse(field, value, "a list of tools", "Write it as the API of OpenAI has it.")
        return ()
    _refuse_inexact(held, field, checks)
    tools = []
    for number, tool in enumerate(held):
        made = tool if isinstance(tool, dict) and "function" in tool else {"type": "function", "function": tool}
        function = made["function"]
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            checks.refuse(
                f"{field}[{number}]", tool, "a function with its name", "Write it as the API of OpenAI has it."
            )
        else:
            tools.append(made)
    return tuple(tools)


def _refuse_inexact(value: Any, field: str, checks: Checks) -> None:
    if (number := strict_json.inexact(value)) is not None:
        remedy = "Write it with fewer digits, or as a text."
        checks.refuse(field, number, f"a number of at most {strict_json.DIGITS} digits, and not too large", remedy)


def parsed(value: Any, field: str, checks: Checks) -> Any:
    """A value, or what it is as JSON where it is a text."""
    if not isinstance(value, str):
        return value
    decoder, twice = strict_json.decoder()
    try:
        found = decoder.decode(value)
    except (ValueError, RecursionError) as error:
        checks.refuse(field, value, "JSON", f"Mend it: {error}.")
        return None
    for key in twice:
        checks.add(f"{field}.{key}", *strict_json.TWICE)
    return found


def text(value: Any, field: str, checks: Checks, of_a_message: bool = False) -> str:
    """A text, or its parts joined; `checks` has what is wrong with it.

    Only the content `of_a_message` may have parts that don't say that they are texts: elsewhere a list of texts may as
    well be a choice of answers.
    """
    count = len(checks.mistakes)
    if isinstance(value, list) and value and all(isinstance(part, dict | str) for part in value):
        are_parts = all(isinstance(part, dict) and part.get("type") == "text" for part in value)
        if len(value) > 1 and not of_a_message and not are_parts:
            remedy = "Several may be alternatives: keep one, join them, or write each into a row of its own."
            checks.refuse(field, value, "one text", remedy)
            return ""
        value = "".join(_part(part, f"{field}[{number}]", checks) for number, part in enumerate(value))
    if not isinstance(value, str):
        checks.refuse(field, value, "a text", "Other kinds of content are not trained on.")
        return ""
    if len(checks.mistakes) == count and not is_clean(value):
        _refuse(value, field, checks)
    return value


def _part(part: dict[str, Any] | str, field: str, checks: Checks) -> str:
    if isinstance(part, str):
        return part
    told = "text" if "text" in part else "value"
    held = part.get(told)
    if part.get("type", "text") != "text" or not isinstance(held, str):
        checks.refuse(field, part, "a part with a text", "Other kinds of content are not trained on.")
        return ""
    for key in sorted(part.keys() - PART - {told}):
        if not is_empty(part[key]):
            remedy = "Give the weight to the message." if key in WEIGHTS else "Take it away, if the text is whole."
            checks.add(f"{field}.{key}", f"{shown(part[key])} stands at a part, where nothing reads it", remedy)
    return held


def is_clean(value: str) -> bool:
    """Whether it is a text that can be seen, of whole characters."""
    if value.isascii():
        return bool(value.strip()) and "\0" not in value
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value and any(sign.isprintable() and not sign.isspace() for sign in value)


def _refuse(value: str, field: str, checks: Checks) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        remedy = "Half a surrogate pair is no character: mend the row, or leave it out."
        checks.refuse(field, value, "whole characters", remedy)
        return
    if "\0" in value:
        checks.refuse(field, value, "a text without the character NUL", "Take it out, or leave the row out.")
    else:
        checks.refuse(field, value, "a text that isn't blank", "Write what was said, or leave the row out.")

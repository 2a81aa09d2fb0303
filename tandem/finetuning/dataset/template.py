"""Conversations as a base model reads them: by its own chat template and tokenizer, and what of it is learned.

Training, evaluation, local serving and the count of tokens before a run all come here, so that a text has the same
tokens everywhere. A tokenizer is transformers' own or `tokenizer_files.Tokenizer`, which needs less.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

from .lengths import Length
from .rows import Row, messages

# Each turn is "<|im_start|>role\ntext" and an end; the assistant's ends with the end-of-sequence token, which exists in
# every tokenizer, so that no token has to be added to the model.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "(eos_token if message['role'] == 'assistant' else '<|im_end|>') + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Noncharacters of Unicode, which no text should have: around the number of a control token, and in place of an answer.
OPEN, CLOSE, MARK = "\ufdd0", "\ufdd1", "\ufdd2"
KEPT = re.compile(f"{OPEN}(\\d+){CLOSE}")
THINK, THOUGHT = "<think>", "</think>"  # begin and end of a thought: Qwen3, SmolLM3, GLM, DeepSeek
UNTAUGHT = "weight"  # of a message: 0 if it is context alone


class Refused(TandemError):
    """The template doesn't take a conversation, or leaves out something of it; the text says what."""


class Piece(NamedTuple):
    """A stretch of a conversation's tokens."""

    tokens: list[int]
    learned: bool


class Template:
    """The chat template and tokenizer of a base model."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        control = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        # What stands in for a control token has to be text itself.
        self.control = sorted({*control, OPEN, CLOSE, MARK}, key=len, reverse=True)
        self._numbers = {token: number for number, token in enumerate(self.control)}
        self._pattern = re.compile("|".join(map(re.escape, self.control)))

    def sequences(self, row: Row) -> list[list[Piece]]:
        """The token sequences that teach a row; raises `Refused`.

        Each answer stands behind its prompt as the model will be asked it. One sequence has them all where the template
        writes a conversation as the beginning of a longer one; where it rewrites earlier turns (Qwen3 takes thoughts
        out, Mistral moves the system text), the answers from there on have sequences of their own.
        """
        return _Rendering(self, messages(row), row.tools).sequences()

    def prompt_tokens(self, conversation: Sequence[Mapping[str, Any]], offered: Sequence[Any] = ()) -> list[int]:
        """The tokens that the model is given to answer a conversation with these tools; raises `Refused`."""
        rendering = _Rendering(self, conversation, offered)
        return rendering.tokens(rendering.prompt(len(conversation)))

    def lengths(self, rows: Iterable[Row]) -> list[Length]:
        """The tokens of each row, of its longest sequence where it has several; raises `Refused`, naming the row."""
        found = []
        for row in rows:
            try:
                split = self.sequences(row)
                prompt = self.prompt_tokens(messages(row)[:-1], row.tools)
            except Refused as error:
                raise Refused(f"{row.place}: {error}.") from error
            found.append(Length(max(sum(len(piece.tokens) for piece in pieces) for pieces in split), len(prompt)))
        return found

    def plain(self, value: Any) -> Any:
        """The value with a number, between two marks, for every control token in its texts and keys."""
        if isinstance(value, str):
            return self._pattern.sub(lambda found: f"{OPEN}{self._numbers[found[0]]}{CLOSE}", value)
        if isinstance(value, Mapping):
            return {self.plain(key): self.plain(each) for key, each in value.items()}
        return [self.plain(each) for each in value] if isinstance(value, list) else value


class _Rendering:
    """One conversation as a template writes it."""

    def __init__(self, template: Template, conversation: Sequence[Mapping[str, Any]], offered: Sequence[Any]) -> None:
        self._tokenizer, self._control = template.tokenizer, template.control
        self._weights = [turn.get(UNTAUGHT, 1) for turn in conversation]
        self._thoughtful = [THOUGHT in (turn.get("content") or "") for turn in conversation]
        self._turns = [template.plain(_for_templates(turn)) for turn in conversation]
        self._tools = template.plain(list(offered)) or None

    def sequences(self) -> list[list[Piece]]:
        found: list[list[tuple[str, bool]]] = []
        answers: list[tuple[Mapping[str, Any], str]] = []
        done = ""
        for at, turn in enumerate(self._turns):
            if turn["role"] != "assistant":
                continue
            given = self.prompt(at)
            answer = self._answer(at, given)
            if not done or not given.startswith(done):
                found.append([])
                done = ""
            found[-1] += [(given[len(done) :], False), (answer, self._weights[at] != 0)]
            answers.append((turn, answer))
            done = given + answer
        self._nothing_is_lost(done)
        for turn, answer in answers:
            self._scores(turn, answer)
        taught = [pieces for pieces in found if any(learned for _, learned in pieces)]
        if not taught:
            raise Refused("every answer has weight 0, so that nothing is learned")
        return [[Piece(self.tokens(text), learned) for text, learned in pieces] for pieces in taught]

    def prompt(self, at: int) -> str:
        """What the model is given before the message `at`."""
        return self._render(self._turns[:at], add_generation_prompt=True)

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text; control tokens that stood in a message are tokens of their letters."""
        tokens: list[int] = []
        for at, part in enumerate(KEPT.split(text)):  # every second one is a number
            stood_in = bool(at % 2)
            piece = self._control[int(part)] if stood_in else part
            if piece:
                tokens += self._tokenizer(piece, add_special_tokens=False, split_special_tokens=stood_in)["input_ids"]
        return tokens

    def _answer(self, at: int, given: str) -> str:
        """What the assistant says in the message `at`, with what ends its turn."""
        asked = given.rstrip()
        if asked.endswith(THINK) and not self._thoughtful[at]:
            raise Refused(
                "the template begins each answer with a thought, which can't be switched off, and this answer has "
                "none: tune the model's variant that doesn't think"
            )
        if asked.endswith(THOUGHT) and self._thoughtful[at]:
            raise Refused(
                "the answer has thoughts, and thinking is switched off in the template: take them out, or tune a model "
                "whose template leaves them in the text"
            )
        said = self._render(self._turns[: at + 1])
        if said.startswith(given):
            return said[len(given) :]
        # The template writes the conversation in another way once it is answered: the answer is found by its place.
        marked = self._render([*self._turns[:at], self._turns[at] | {"content": MARK}])
        start = next((at for at, signs in enumerate(zip(said, marked, strict=False)) if signs[0] != signs[1]), 0)
        if given == given.rstrip():
            start = len(said[:start].rstrip())
        if not self._turns[at]["content"] or not said[:start].endswith(given[-8:]):
            raise Refused("the template writes an answer elsewhere than where it is asked for")
        return said[start:]

    def _scores(self, turn: Mapping[str, Any], answer: str) -> None:
        """Refuse a template by which the right answer, as it is read without control tokens, would be wrong."""
        control = [*(token for token in self._control if token not in (OPEN, CLOSE, MARK)), self._tokenizer.eos_token]
        text, shown = turn["content"].rpartition(THOUGHT)[2].strip(), answer.rpartition(THOUGHT)[2]
        if not any(token in shown[shown.find(text) + len(text) :] for token in control if token):
            raise Refused("the template ends no answer with a token that ends it: the model would never learn to stop")
        read = re.sub("|".join(map(re.escape, filter(None, control))), "", shown).strip()
        if not turn.get("tool_calls") and read != text:
            raise Refused(
                f"the template writes more than the answer where it stands ({read[:40]!r}), as templates with channels "
                "do: a right answer would be read as a wrong one"
            )

    def _nothing_is_lost(self, text: str) -> None:
        """Refuse what a template leaves out: a system text, calls of tools, tools."""
        for at, turn in enumerate(self._turns):
            if turn["content"].strip() not in text:
                changed = turn | {"content": f"{turn['content']}{MARK}"}
                if self._minds_not(self._with(at, changed), self._tools):
                    raise Refused(f"the template leaves out the text of messages[{at}] ({turn['role']})")
            if turn.get("tool_calls"):
                without = {key: value for key, value in turn.items() if key != "tool_calls"}
                if self._minds_not(self._with(at, without), self._tools):
                    raise Refused(f"the template leaves out the tool calls of messages[{at}]")
        if self._tools and self._minds_not(self._turns, None):
            raise Refused("the template leaves out the tools")

    def _with(self, at: int, turn: dict[str, Any]) -> list[dict[str, Any]]:
        return [*self._turns[:at], turn, *self._turns[at + 1 :]]

    def _minds_not(self, turns: list[dict[str, Any]], offered: Any) -> bool:
        """Whether the template writes these turns as it writes the conversation."""
        try:
            changed = self._tokenizer.apply_chat_template(turns, tools=offered, tokenize=False)
        except Exception:  # templates are programs: they raise what they like
            return False
        return changed == self._render(self._turns)

    def _render(self, turns: Sequence[Mapping[str, Any]], **options: Any) -> str:
        try:
            return self._tokenizer.apply_chat_template(turns, tools=self._tools, tokenize=False, **options)
        except Exception as error:  # templates are programs: they raise what they like
            raise Refused(f"the base model's chat template refuses it ({error})") from error


def _for_templates(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A message as templates take it: without a weight, with a text, and the arguments of calls as objects."""
    found = {key: value for key, value in turn.items() if key != UNTAUGHT} | {"content": turn.get("content") or ""}
    if turn.get("tool_calls"):
        found["tool_calls"] = list(map(_call, turn["tool_calls"]))
    return found


def _call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return call
    try:
        return {**call, "function": {**function, "arguments": json.loads(function["arguments"])}}
    except ValueError:
        return call

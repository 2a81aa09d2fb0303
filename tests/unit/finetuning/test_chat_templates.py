"""Chat templates of model families, as packages ship them: what is learned, what is asked, what a right answer gets.

The hashes, versions and licences are in `chat_templates/README.md`.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from tandem_contract.errors import TandemError

from tandem.finetuning.dataset.settled import settle, settled
from tandem.finetuning.dataset.template import Refused, Template
from tandem.finetuning.dataset.tokenizer_files import Tokenizer
from tandem.finetuning.measure import BASE, TUNED, measure

from .made_tokenizer import CHATML, files, learned, row, said, template, text

FOLDER = Path(__file__).parent / "chat_templates"
QUESTION, ANSWER = "How many stones has wall 64?", "Answer: 24\nTopic: walls"
TURNS = (said("user", "One?"), said("assistant", "A1"), said("user", "Two?"), said("assistant", "A2"))
FORM = {"regex": r"Answer: \d+\nTopic: walls"}


class Family(NamedTuple):
    """What is special about a template."""

    asked: str
    """How a prompt ends, with {} where the last question is."""
    end: str
    """What follows an answer, and is learned."""
    begin: str = ""
    """What of an answer's text comes before it."""
    system: str = "{}"
    """How the prompt has a system text."""
    own: str = ""
    """What a prompt without a system text begins with."""
    control: tuple[str, ...] = ("<|im_start|>", "<|im_end|>")
    eos: str = "<|im_end|>"
    bos: str = ""


IM = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
LLAMA = Family(
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|eot_id|>",
    own="<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: 26 Jul 2024\n\n<|eot_id|>",
    system="Today Date: 26 Jul 2024\n\n{}<|eot_id|>",
    control=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    eos="<|eot_id|>",
    bos="<|begin_of_text|>",
)
MISTRAL = Family(
    "[INST]{}[/INST]", "</s>", system="[INST]{}\n\n", own="<s>[INST]", control=("<s>", "</s>"), eos="</s>", bos="<s>"
)
GEMMA = Family(
    "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
    "<end_of_turn>\n",
    system="{}\n\n",
    own="<bos><start_of_turn>user\n",
    control=("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
    eos="<end_of_turn>",
    bos="<bos>",
)
FAMILIES = {
    "qwen2_5": Family(IM, "<|im_end|>\n", own="<|im_start|>system\nYou are Qwen, created by Alibaba Cloud."),
    "qwen3": Family(f"{IM}<think>\n\n</think>\n\n", "<|im_end|>\n", own="<|im_start|>user\n"),
    "qwen3_instruct_2507": Family(IM, "<|im_end|>\n", own="<|im_start|>user\n"),
    "llama3_1": LLAMA,
    "llama3_2": LLAMA,
    "mistral_v3": MISTRAL._replace(asked="[INST] {}[/INST]", begin=" ", system="[INST] {}\n\n", own="<s>[INST] "),
    "mistral_nemo": MISTRAL,
    "mistral_small": MISTRAL._replace(
        system="<s>[SYSTEM_PROMPT]{}[/SYSTEM_PROMPT][INST]", own="<s>[SYSTEM_PROMPT]You are Mistral Small 3,"
    ),
    "gemma": GEMMA,
    "gemma3": GEMMA._replace(system="<start_of_turn>user\n{}\n\n"),
    "smollm2": Family(IM, "<|im_end|>\n", own="<|im_start|>system\nYou are a helpful AI assistant named SmolLM"),
    "smollm3": Family(
        f"{IM}<think>\n\n</think>\n",
        "<|im_end|>\n",
        system="Reasoning Mode: /no_think\n\n## Custom Instructions\n\n{}",
        own="<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: /no_think\n",
    ),
}
THINKING, DATED = ("qwen3", "smollm3"), ("llama3_2", "mistral_small")


def source(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_bytes().decode()


def made(name: str) -> Template:
    family = FAMILIES[name]
    names = {"eos_token": family.eos} | ({"bos_token": family.bos} if family.bos else {})
    return template(source(name), *family.control, **names)


def prompt(of: Template, *turns: dict) -> str:
    return text(of, of.prompt_tokens(turns))


def test_the_templates_are_those_that_the_packages_ship():
    listed = dict(
        re.findall(r"^\| `(\w+)\.jinja` \|.*`([0-9a-f]{64})` \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    )
    assert listed == {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in FOLDER.glob("*.jinja")}
    assert set(listed) == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_is_learned_and_nothing_else(name):
    family = FAMILIES[name]
    ((given, answer),) = learned(made(name), row(said("user", QUESTION), said("assistant", ANSWER)))
    assert given[0].startswith(family.own) and given[0].endswith(family.asked.format(QUESTION)) and not given[1]
    assert answer == (f"{family.begin}{ANSWER}{family.end}", True)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("system", [False, True])
def test_of_many_turns_each_answer_is_learned_once_behind_its_prompt(name, system):
    family, of = FAMILIES[name], made(name)
    turns = (*([said("system", "Be brief.")] if system else []), *TURNS)
    found, behind = [], []
    for pieces in of.sequences(row(*turns)):
        done: list[int] = []
        for piece in pieces:
            if piece.learned:
                found.append(text(of, piece.tokens))
                behind.append(done)
            done = done + piece.tokens
    assert found == [f"{family.begin}{answer}{family.end}" for answer in ("A1", "A2")]
    asked = [at for at, turn in enumerate(turns) if turn["role"] == "assistant"]
    assert behind == [of.prompt_tokens(turns[:at]) for at in asked]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_system_text_is_in_every_prompt(name):
    family, of = FAMILIES[name], made(name)
    for turns in (TURNS[:1], TURNS[:3]):
        asked = prompt(of, said("system", "Be brief."), *turns)
        assert family.system.format("Be brief.") in asked and turns[-1]["content"] in asked


@pytest.mark.parametrize("name", FAMILIES)
def test_the_answer_that_was_taught_gets_full_marks(name):
    """What a model says that has learned a row by heart, as it is decoded and measured."""
    family, of = FAMILIES[name], made(name)
    asked = row(said("user", QUESTION), said("assistant", ANSWER))
    (pieces,) = of.sequences(asked)
    fast = of.tokenizer._fast
    tokens = pieces[-1].tokens[: pieces[-1].tokens.index(fast.token_to_id(family.eos))]
    metrics = measure([asked], {BASE: ["No."], TUNED: [fast.decode(tokens).strip()]}, FORM)
    assert {metric["tuned"] for metric in metrics.values()} == {1.0}


@pytest.mark.parametrize("name", THINKING)
def test_no_caller_makes_a_settled_template_think(name):
    of = made(name)
    for options in ({}, {"enable_thinking": True}, {"enable_thinking": False}):
        rendered = of.tokenizer.apply_chat_template([TURNS[0]], add_generation_prompt=True, **options)
        assert rendered == prompt(of, TURNS[0]) and "</think>" in rendered


@pytest.mark.parametrize("name", DATED)
def test_a_date_stands_still(name):
    asked = prompt(made(name), TURNS[0])
    assert ("26 Jul 2024" if name == "llama3_2" else "The current date is 2024-07-26.") in asked
    assert asked == made(name).tokenizer.apply_chat_template(
        [TURNS[0]], add_generation_prompt=True, date_string="today"
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_settling_twice_is_settling_once(name):
    once = settled(source(name))
    assert settled(once) == once
    assert (once == source(name)) is (name not in (*THINKING, *DATED, "llama3_1", "gemma"))


@pytest.mark.faults
def test_a_date_in_a_form_that_is_made_up_is_refused():
    with pytest.raises(TandemError, match=r"today's date in a form that it makes up itself.*2024-07-26"):
        settled("{{ strftime_now(form) }}")


THOUGHT = f"<think>\nLet me count.\n</think>\n\n{ANSWER}"


@pytest.mark.faults
@pytest.mark.parametrize("name", THINKING)
def test_thoughts_in_an_answer_are_refused_by_name(name):
    """They would be learned where the model isn't asked for any."""
    with pytest.raises(Refused, match="the answer has thoughts, and thinking is switched off in the template"):
        made(name).sequences(row(TURNS[0], said("assistant", THOUGHT)))


def test_where_a_template_always_thinks_answers_need_thoughts():
    """Qwen3-Thinking-2507's and DeepSeek-R1's do: an answer without one would teach to end a thought at once."""
    always = template(CHATML.replace("assistant\\n", "assistant\\n<think>\\n"))
    ((_, answer),) = learned(always, row(TURNS[0], said("assistant", THOUGHT)))
    assert answer == (f"{THOUGHT.removeprefix('<think>')[1:]}<|im_end|>\n", True)
    with pytest.raises(Refused, match="begins each answer with a thought, which can't be switched off"):
        always.sequences(row(*TURNS))


@pytest.mark.parametrize("named", [False, True])
def test_a_folder_is_settled_in_the_file_that_has_the_template(tmp_path, named):
    given = source("qwen3")
    config = {"eos_token": "<|im_end|>", "chat_template": [{"name": "default", "template": given}] if named else given}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "additional_chat_templates").mkdir()
    for file in ("chat_template.jinja", "additional_chat_templates/tool_use.jinja"):
        (tmp_path / file).write_text(source("llama3_2"))
    settle(tmp_path)
    kept = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert kept["chat_template"] == ([{"name": "default", "template": settled(given)}] if named else settled(given))
    assert kept["eos_token"] == "<|im_end|>"
    for file in ("chat_template.jinja", "additional_chat_templates/tool_use.jinja"):
        assert (tmp_path / file).read_text() == settled(source("llama3_2"))


def test_a_folder_without_a_template_is_left_alone(tmp_path):
    settle(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "x"}')
    settle(tmp_path)
    assert (tmp_path / "tokenizer_config.json").read_text() == '{"eos_token": "x"}'


def test_named_templates_are_settled_each():
    named = json.dumps(
        {"chat_template": [{"name": name, "template": source("qwen3")} for name in ("default", "tool_use")]}
    )
    tokenizer = Tokenizer(files() | {"tokenizer_config.json": named.encode()})
    for tools in (None, [{"type": "function", "function": {"name": "f"}}]):
        assert tokenizer.apply_chat_template([TURNS[0]], tools=tools, add_generation_prompt=True).endswith(
            "</think>\n\n"
        )

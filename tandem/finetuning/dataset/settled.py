"""Chat templates with their choices made, so that whoever renders one writes the same text.

A template may ask its caller whether the model thinks, and the clock which day it is; and it may refuse a system
text. What isn't settled in the template is settled anew by each caller: training, evaluation, and a server, which all
kinds of clients ask. So the answers are written into the template, once, where it is read; the tuned model is saved
with it, and every server (LMI, vLLM, our own) renders what was trained and judged. `chat_template_kwargs` of a
request change nothing then, and an endpoint of ours is sent none.
"""

import datetime
import json
import re
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

# What Llama 3.1's and 3.3's templates say when nobody tells them a date; 3.2's says it where there is no clock.
DAY = datetime.date(2024, 7, 26)
# Variables that callers may set, and what they are set to.
OPTIONS = {
    # Qwen3, SmolLM3, GLM-4.5 and Nemotron 3 think unless told otherwise (TRL 1.16.0, `chat_templates/`; SmolLM3's in
    # llama.cpp; Qwen's documentation, "Thinking & Non-Thinking Modes"; read 2026-11-30). Rows teach answers, not
    # thoughts: a model that begins each with an empty thought fails every metric of form.
    "enable_thinking": "false",
    # Llama 3.1 to 3.3 (TRL 1.16.0, `llama3_1.jinja`, `llama3_2.jinja`; read 2026-11-30).
    "date_string": f'"{DAY:%d %b %Y}"',
}
# Gemma 1's and 2's template refuses a system text (TRL 1.16.0, `gemma.jinja`; vllm-project/vllm#2964), which RAG has
# with every question: it goes before the first question, as in `tandem.models.quirks`.
NO_SYSTEM = "System role not supported"
SYSTEM_BEFORE = (
    "{% if messages | length > 1 and messages[0]['role'] == 'system' and messages[1]['role'] == 'user' %}"
    "{% set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n' + messages[1]['content']}]"
    " + messages[2:] %}{% endif %}"
)
# transformers' clock (utils/chat_template_utils.py): Llama 3.2, Mistral Small, gpt-oss.
CLOCK = re.compile(r"""strftime_now\(\s*(?:"([^"]*)"|'([^']*)')\s*\)""")


def settled(template: str) -> str:
    """The template with its choices made; one that is settled is returned as it is.

    Raises `TandemError` where it asks for a date in a form that isn't written there.
    """
    found = CLOCK.sub(lambda call: json.dumps(DAY.strftime(call[1] or call[2] or "")), template)
    if "strftime_now(" in found:
        raise TandemError(
            "the chat template writes today's date in a form that it makes up itself, so that what is trained would "
            f"change daily: write a date in its place, e.g. {DAY}"
        )
    chosen = [f"{{% set {name} = {value} %}}" for name, value in OPTIONS.items() if re.search(rf"\b{name}\b", found)]
    if NO_SYSTEM in found:
        chosen.append(SYSTEM_BEFORE)
    return "".join(each for each in chosen if each not in found) + found


def settle(folder: Path) -> None:
    """Settle the template of the tokenizer in a model's folder, in the file that has it."""
    for file in (folder / "chat_template.jinja", *folder.glob("additional_chat_templates/*.jinja")):
        if file.is_file():
            file.write_text(settled(file.read_text(encoding="utf-8")), encoding="utf-8")
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if given := config.get("chat_template"):
        named = [each | {"template": settled(each["template"])} for each in given] if isinstance(given, list) else None
        config["chat_template"] = named or settled(given)
        file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def by_name(given: Any) -> dict[str, str]:
    """The templates of a `tokenizer_config.json`, settled: it has one, or a list of named ones."""
    named = given if isinstance(given, list) else [{"name": "default", "template": given}]
    return {each["name"]: settled(each["template"]) for each in named}

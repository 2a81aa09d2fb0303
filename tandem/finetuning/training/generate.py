"""Answers from a model in a folder: vLLM where the image has it, else transformers.

Evaluation and local serving both use this, so that what is evaluated is what is served.
"""

import gc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tandem_contract.errors import TandemError

from tandem.finetuning.dataset import template

from . import models
from .layout import say


class Conversation(NamedTuple):
    """What a model is to answer."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any] = ()


class Generated(NamedTuple):
    """One answer."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    ended: bool
    """False if `max_new_tokens` cut the answer off."""


class TooLong(TandemError):
    """A conversation leaves the model no room for an answer, or its chat template refuses it; the text says which."""


class Generator(Protocol):
    """A loaded model."""

    engine: str
    at_once: int
    """How many conversations to give it at a time."""

    def generate(
        self, conversations: Sequence[Conversation], max_new_tokens: int, temperature: float = 0.0
    ) -> list[Generated]:
        """Answers in the order of the conversations, greedy at temperature 0; raises `TooLong`."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


def open_generator(model: str, tokens: int | None = None) -> Generator:
    """Load a model from a folder or the hub; raises `Refused` with a sentence when it doesn't load.

    It takes conversations that have `tokens` with their answers, by default as many as the model can.
    """
    models.settle()
    models.need(("torch", "transformers"))
    try:
        import vllm  # noqa: F401 - only whether it is there
    except ImportError:
        return Transformers(model, tokens)
    return Vllm(model, tokens)


class _Prompts:
    """Conversations as tokens, by the model's chat template."""

    def __init__(self, model: str, tokens: int | None) -> None:
        self.tokenizer = models.load_tokenizer(model, say)
        self._template = template.Template(self.tokenizer)
        self.context = tokens or models.context_tokens(models.load_config(model))

    def tokens(self, conversation: Conversation, max_new_tokens: int) -> list[int]:
        try:
            tokens = self._template.prompt_tokens(conversation.messages, conversation.tools)
        except template.Refused as error:
            raise TooLong(f"The conversation can't be asked: {error}") from error
        if self.context and len(tokens) + max_new_tokens > self.context:
            raise TooLong(
                f"{len(tokens)} tokens of conversation and {max_new_tokens} of answer are more than the model's "
                f"{self.context}: shorten the conversation or ask for fewer tokens"
            )
        return tokens


class Transformers:
    """The model in this process, in padded batches."""

    engine = "transformers"

    def __init__(self, model: str, tokens: int | None = None) -> None:
        import torch

        models.use_processors()
        self._prompts = _Prompts(model, tokens)
        self._model = models.load_model(model).eval()
        if torch.cuda.is_available():
            self._model = self._model.to("cuda")
        self.at_once = 32 if torch.cuda.is_available() else 16
        # A chat model may end its turn with another token than the tokenizer calls the end.
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self._ends = {end for end in (*ends, self._prompts.tokenizer.eos_token_id) if end is not None}

    def generate(
        self, conversations: Sequence[Conversation], max_new_tokens: int, temperature: float = 0.0
    ) -> list[Generated]:
        """See `Generator`."""
        import torch

        prompts = [self._prompts.tokens(conversation, max_new_tokens) for conversation in conversations]
        tokenizer = self._prompts.tokenizer
        padded = tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt").to(self._model.device)
        sampling = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        with torch.inference_mode():
            whole = self._model.generate(
                **padded,
                max_new_tokens=max_new_tokens,
                eos_token_id=sorted(self._ends),
                pad_token_id=tokenizer.pad_token_id,
                **sampling,
            )
        answers = whole[:, padded["input_ids"].shape[1] :].tolist()
        return [self._read(len(prompt), answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _read(self, prompt_tokens: int, answer: list[int]) -> Generated:
        end = next((at for at, token in enumerate(answer) if token in self._ends), None)
        text = self._prompts.tokenizer.decode(answer[:end], skip_special_tokens=True).strip()
        return Generated(text, prompt_tokens, len(answer) if end is None else end + 1, ended=end is not None)

    def close(self) -> None:
        """See `Generator`."""
        import torch

        del self._model
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class Vllm:
    """The serving stack of the endpoint's image. Not run in this project's tests, which have no GPU."""

    engine = "vllm"
    at_once = 256

    def __init__(self, model: str, tokens: int | None = None) -> None:
        import vllm

        self._prompts = _Prompts(model, tokens)
        try:
            self._model = vllm.LLM(model=model, max_model_len=self._prompts.context)
        except Exception as error:  # what vLLM raises depends on where it fails
            raise models.Refused(f"vLLM doesn't load the model {model}: {models.first_line(error)}") from error

    def generate(
        self, conversations: Sequence[Conversation], max_new_tokens: int, temperature: float = 0.0
    ) -> list[Generated]:
        """See `Generator`."""
        import vllm

        prompts: list[Any] = [
            {"prompt_token_ids": self._prompts.tokens(conversation, max_new_tokens)} for conversation in conversations
        ]
        options = vllm.SamplingParams(max_tokens=max_new_tokens, temperature=temperature)
        results = self._model.generate(prompts, options, use_tqdm=False)
        return [
            Generated(
                result.outputs[0].text.strip(),
                len(result.prompt_token_ids),
                len(result.outputs[0].token_ids),
                ended=result.outputs[0].finish_reason == "stop",
            )
            for result in results
        ]

    def close(self) -> None:
        """See `Generator`."""
        self._model.llm_engine.engine_core.shutdown()
        del self._model
        gc.collect()

"""`tandem eval run` that is killed, or stopped by Ctrl-C, and run again."""

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.support import chat_api
from tests.support.chat_api import completion
from tests.support.threads import wait_for

MANY = 500
# A shell starts what it has in the background without SIGINT, and children inherit that.
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);from tandem.cli.main import app; app()"


def evaluation(file: Path, url: str, folder: Path) -> subprocess.Popen:
    """`tandem eval run`, started."""
    options = ["--target", f"{url}#small", "--name", "run", "--to", folder, "--concurrency", "8"]
    arguments = [sys.executable, "-c", START, "eval", "run", file, *options]
    return subprocess.Popen([*map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def echo(text: str) -> tuple[int, dict]:
    return 200, completion(f"It is {int(text.split()[-1].rstrip('?')) % 5}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run on 500 questions that nothing interrupted, beside its question set."""
    folder = tmp_path_factory.mktemp("whole")
    entries = (
        {"id": f"q{number}", "question": f"What is {number}?", "document": None, "answerable": True}
        | {"reference": f"It is {number % 7}"}
        for number in range(MANY)
    )
    file = folder / "set.jsonl"
    file.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    with chat_api.serve(echo) as chat:
        process = evaluation(file, chat.url, folder)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert len(chat.asked) == MANY
    return folder


def settle(chat: chat_api.Chat, others: set[threading.Thread]) -> None:
    """Wait until the server has dealt with all that was sent before: connections are taken in turn. `others` were
    there before it."""
    request = urllib.request.Request(f"{chat.url}/chat/completions", b'{"messages": [{"content": "0"}]}')
    urllib.request.urlopen(request).read()
    wait_for("process_request_thread", others)


@pytest.mark.faults
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on_and_ends_as_if_nothing_had_happened(tmp_path, whole, end):
    """500 questions, the command ended half-way: the same command asks only what is missing."""
    started: list[subprocess.Popen] = []
    others = set(threading.enumerate())

    def interrupted(text: str) -> tuple[int, dict]:
        if len(chat.asked) == MANY // 2:
            started[0].send_signal(end)
        return echo(text)

    with chat_api.serve(interrupted) as chat:
        started.append(evaluation(whole / "set.jsonl", chat.url, tmp_path))
        said, _ = started[0].communicate(timeout=120)
        assert started[0].returncode == (130 if end is signal.SIGINT else -end)
        assert ("the same command goes on" in said) == (end is signal.SIGINT)
        kept = len(list((tmp_path / "cache").glob("[!.]*.json")))
        assert MANY // 2 - 8 <= kept <= MANY // 2 + 8
        assert not (tmp_path / "run").exists()
        settle(chat, others)
        chat.asked.clear()
        chat.answer = echo
        again = evaluation(whole / "set.jsonl", chat.url, tmp_path)
        said, _ = again.communicate(timeout=120)
        assert again.returncode == 0, said
        assert len(chat.asked) == len(set(chat.asked)) == MANY - kept
    for name in ("metrics.json", "questions.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / "run" / name).read_bytes()

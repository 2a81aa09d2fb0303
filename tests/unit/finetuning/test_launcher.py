"""One reason of many ranks' ends, and of many hosts'."""

import json
import signal
from types import SimpleNamespace

import pytest

from tandem.finetuning.training import launcher
from tandem.finetuning.training.launcher import FAILED, INTERRUPTED, REFUSED, Verdict, _Others, _Told, _verdict
from tandem.finetuning.training.layout import lacks_room
from tandem.finetuning.training.place import Place

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(launcher, "EVERY_SECONDS", 0.01)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def verdict(folder, said=(), failures=(), ends=False) -> Verdict:
    """Of ranks that said so, and of some that ended with such codes."""
    for rank, (code, reason, time) in enumerate(said):
        (folder / str(rank)).write_text(json.dumps(Verdict(code, reason, time)._asdict()))
    told = _Told()
    told.ends = ends
    return _verdict(folder, {rank: SimpleNamespace(exitcode=code) for rank, code in failures}, told)


def test_a_killed_rank_is_the_reason_of_what_the_others_say(tmp_path):
    found = verdict(tmp_path, [(FAILED, "connection reset", 1.0)], [(1, -signal.SIGKILL)])
    assert (found.code, found.reason[:26]) == (FAILED, "Rank 1 was killed by SIGKI")


def test_a_refusal_is_the_reason_of_a_kill(tmp_path):
    assert verdict(tmp_path, [(REFUSED, "no", 2.0)], [(1, -signal.SIGKILL)]).reason == "no"


def test_an_error_is_the_reason_of_ranks_that_torchrun_then_told_to_end(tmp_path):
    assert verdict(tmp_path, [(INTERRUPTED, "told", 1.0), (FAILED, "broken", 2.0)]).reason == "broken"


def test_ranks_that_could_not_yet_hear_are_interrupted_when_told_to_end(tmp_path):
    found = verdict(tmp_path, failures=[(0, -signal.SIGTERM), (1, -signal.SIGKILL)], ends=True)
    assert (found.code, found.reason) == (INTERRUPTED, "Told to end before a step was saved.")


def test_a_rank_without_room_for_its_reason_has_its_code(tmp_path):
    assert verdict(tmp_path, failures=[(0, REFUSED)]).code == REFUSED


class Store:
    """As the hosts' store, in a dictionary."""

    def __init__(self, **content: str) -> None:
        self.content = content

    def check(self, names):
        return all(name in self.content for name in names)

    def get(self, name):
        return self.content[name].encode()

    def set(self, name, value):
        self.content[name] = value


def agreed(own: Verdict, *, asked: bool = False, **said: str) -> Verdict:
    return _Others(Place(("algo-1", "algo-2"), 0, "algo-1", 7777), Store(**said)).agree(own, asked)


def test_another_hosts_cause_is_the_reason(tmp_path):
    cause = Verdict(FAILED, "rank 1 was killed", 2.0, killed=True)
    own = Verdict(INTERRUPTED, "told to end", 1.0)
    assert agreed(own, **{"verdict/algo-2": json.dumps(cause)}) == cause


def test_a_host_that_says_nothing_is_named():
    found = agreed(Verdict(FAILED, "gloo: connection closed", 1.0))
    assert found.reason == "algo-2 ended without a word. On algo-1: gloo: connection closed"


def test_a_host_that_was_told_to_end_does_not_blame_one_that_is_gone():
    assert agreed(Verdict(INTERRUPTED, "told to end", 1.0), asked=True).code == INTERRUPTED


def test_a_full_disk_is_known_by_what_each_library_says_of_it():
    torch = RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 64 vs 0")
    safetensors = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    wrapped = ValueError("saving failed")
    wrapped.__cause__ = OSError(28, "No space left on device")
    assert all(lacks_room(error) for error in (torch, safetensors, wrapped))
    assert not lacks_room(RuntimeError("CUDA error"))

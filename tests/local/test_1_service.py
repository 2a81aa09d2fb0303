"""The main job, as a person would see it."""

import json
import re
import subprocess

import pytest

from tests.local.conftest import git_status, until
from tests.support.goldens import check_change
from tests.support.readme import CURL, QUESTION

pytestmark = pytest.mark.local


def test_second_preview_finds_nothing_to_do(service):
    service.cloud.pulumi("preview", "--stack", "rag-dev", "--expect-no-changes")


@pytest.mark.parametrize("change", ["another-embedder", "another-store"])
def test_what_a_change_of_what_answers_costs(service, change):
    check_change(service.cloud, change)


def test_checkout_stays_as_it_was(service):
    """Deploying and ingesting write nothing that git would see."""
    assert git_status() == service.cloud.git_status_before


def test_group_is_recorded_with_scale_to_zero(service):
    """The local provider only records the NextGen group; what it records must be what AWS would get."""
    exported = json.loads(service.cloud.pulumi("stack", "export", "--stack", "rag-dev").stdout)
    (group,) = [r for r in exported["deployment"]["resources"] if r["type"].endswith("ServerlessCollectionGroup")]
    assert group["inputs"]["generation"] == "NEXTGEN"
    (limits,) = group["inputs"]["capacityLimits"]
    assert limits["minSearchCapacityInOcu"] == limits["minIndexingCapacityInOcu"] == 0


def test_twenty_questions(service):
    """At least 14 of 15 have the labelled document among the passages, all of 5 are refused."""
    service.cloud.tandem(
        "questions", "samples/questions.jsonl", "--stack", "rag-dev", "--min-found", "14", "--min-refused", "5"
    )


def test_ask_prints_answer_citations_and_times(service):
    printed = service.cloud.tandem(
        "ask", "How often does the drinking water filter in the huts have to be changed?", "--stack", "rag-dev"
    ).stdout
    assert "alpenhut/water-and-power.txt" in printed
    assert re.search(r"embed \d+ ms, search \d+ ms, ledger \d+ ms, generate \d+ ms", printed)


def test_passages_name_pages_and_headings(service):
    answer = service.ask("How can the huts still talk to each other by radio if the repeater has failed?")
    assert any(c["document"].endswith(".pdf") and c["page"] for c in answer["passages"])
    answer = service.ask("I have to cancel my bunk four days before I arrive. How much of the deposit do I get back?")
    assert any(c["document"].endswith("booking-rules.md") and c["heading"] for c in answer["passages"])


def test_a_changed_document_changes_the_answer_and_a_deleted_one_is_gone(service):
    key, question = "test/ferry.md", "When does the last ferry to Grebe Island leave?"
    service.put(key, "# Ferry to Grebe Island\n\nThe last ferry to Grebe Island leaves at 18:40 in the evening.")
    until(lambda: any("18:40" in p["text"] for p in service.passages(question, key)), 30, "new document is found")
    service.put(key, "# Ferry to Grebe Island\n\nThe last ferry to Grebe Island leaves at 21:15 in the evening.")
    until(lambda: any("21:15" in p["text"] for p in service.passages(question, key)), 30, "changed document is found")
    assert "21:15" in json.dumps(service.ask(question)["passages"])
    service.delete(key)
    until(lambda: service.row(key) == {}, 30, "ledger row is gone")
    until(lambda: not service.passages(question, key), 30, "deleted document is out of retrieval")
    assert key not in json.dumps(service.ask(question))


def test_unsigned_call_is_refused(service):
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--json", '{"question": "Anyone there?"}']
    assert service.cloud.run(*curl, service.outputs["queryUrl"]).stdout == "403"


def test_signed_curl_works_as_the_readme_says(service):
    """With the keys of the shell, and with temporary ones."""
    command = CURL.replace(QUESTION, '{"question": "What radon concentration is acceptable in a home?"}')
    temporary = service.cloud.client("sts").get_session_token()["Credentials"]
    session = {
        "AWS_ACCESS_KEY_ID": temporary["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": temporary["SecretAccessKey"],
        "AWS_SESSION_TOKEN": temporary["SessionToken"],
    }
    for variables in ({}, session):
        assert json.loads(service.cloud.run("bash", "-c", command, env=variables).stdout)["passages"]


def test_the_stacks_region_is_used_and_said_where_the_shell_has_another(service):
    elsewhere = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
    document = ("samples/alpenhut/booking-rules.md", "--prefix", "alpenhut")
    done = service.cloud.tandem("ingest", *document, "--stack", "rag-dev", env=elsewhere)
    assert "1 of 1 documents searchable" in done.stdout
    assert done.stderr == "using us-east-1, the stack's region; the shell's is eu-central-1\n"


def test_filter_is_enforced_on_the_server(service):
    found = service.passages("What radon concentration is acceptable in a home?", "alpenhut/booking-rules.md")
    assert {passage["document"] for passage in found} <= {"alpenhut/booking-rules.md"}


def test_nothing_listens_on_other_than_loopback(service):
    listening = subprocess.run(["ss", "-Hltn"], check=False, capture_output=True, text=True)
    if listening.returncode:
        pytest.fail("ss is needed (iproute2)")
    ports = {value for name, value in service.cloud.environment.items() if re.match(r"TANDEM_LOCAL_.*_PORT", name)}
    for line in listening.stdout.splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if port in ports:
            assert address.strip("[]").removeprefix("::ffff:") in ("127.0.0.1", "::1"), line

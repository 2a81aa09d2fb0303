"""`tandem cost comment` by hand, outside of a workflow; inside of one it is in tests/unit/test_pull_request.py."""

import threading

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.clients.pull_request import PullRequest
from tandem.cost.reports.markdown import STILL
from tests.support import github_api

REPORT = "<!-- tandem-cost: shop/dev -->\n\n### Cost of `shop/dev`\n"
BOT = ("github-actions[bot]", "Bot")


@pytest.fixture
def comment(tmp_path, monkeypatch):
    with github_api.serve() as github:
        for name in ("GITHUB_REPOSITORY", "PULL_REQUEST", "COMMIT", "RUN_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GITHUB_TOKEN", github_api.TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        monkeypatch.chdir(tmp_path)

        def run(text, *arguments, files=("report.md",)):
            (tmp_path / "report.md").write_text(text)
            named = ["--repository", github_api.REPOSITORY, "--pull-request", str(github_api.PULL_REQUEST)]
            done = CliRunner().invoke(app, ["cost", "comment", *files, *named, *arguments])
            return done.exit_code, done.output

        run.github = github
        yield run


def test_it_says_where_the_comment_is(comment):
    assert comment(REPORT) == (0, f"Created {comment.github.comments[0]['html_url']}\n")
    assert comment.github.by_bot() == ["<!-- tandem-cost: report -->\n\n### Cost of `shop/dev`\n"]


def test_commit_and_run_stand_at_its_end(comment):
    comment(REPORT, "--commit", "4f2a9c1", "--run", "https://ci.example/7")
    assert comment.github.by_bot()[0].endswith("\n\nOf commit `4f2a9c1`: [the run](https://ci.example/7).\n")


def test_several_reports_are_one_comment_and_one_that_is_missing_is_said(comment):
    assert comment(REPORT, files=("report.md", "prod.md"))[0] == 0
    (text,) = comment.github.by_bot()
    assert text.startswith("<!-- tandem-cost: report, prod -->\n\n### Cost of `shop/dev`\n\n### Cost of `prod`\n\n❌ ")
    assert "**No numbers:** the preview failed, or what was to make a report of it (the log of its job)." in text


def test_none_is_made_where_nothing_moves_and_one_that_is_there_is_updated(comment):
    still = f"{REPORT}\n{STILL}\n\n| a |\n"
    assert comment(still, "--only-moved") == (0, "There is no comment, and none is made\n")
    comment.github.add("<!-- tandem-cost: report -->\n\nold\n", *BOT)
    assert comment(still, "--only-moved")[1].startswith("Updated ") and STILL in comment.github.by_bot()[0]
    comment.github.comments.clear()
    assert comment(still, "--only-moved", files=("report.md", "prod.md"))[1].startswith("Created ")  # prod failed


@pytest.mark.faults
def test_what_two_jobs_have_made_is_one_comment_again(comment):
    """A person's, which quotes it, and one of another name stay."""
    comment.github.add("<!-- tandem-cost: report -->\n\nquoted\n", "someone")
    for name in ("report", "report", "report 2", "report"):
        comment.github.add(f"<!-- tandem-cost: {name} -->\n\nold\n", *BOT)
    assert comment(REPORT)[0] == 0
    kept = [each["body"].splitlines()[2] for each in comment.github.comments]
    assert kept == ["quoted", "### Cost of `shop/dev`", "old"]


@pytest.mark.faults
@pytest.mark.parametrize("writers", [2, 4])
def test_writers_that_race_leave_one_comment_with_all_of_one_text(comment, writers):
    """All of them have seen that there is none when the first creates one."""
    github = comment.github
    github.late = threading.Barrier(writers)
    said, texts = [], [f"<!-- tandem-cost: a -->\n\nby {at}\n" for at in range(writers)]

    def write(text):
        request = PullRequest(github_api.REPOSITORY, github_api.PULL_REQUEST, github_api.TOKEN, github.url)
        said.append(request.comment(text, said.append).split()[0])

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(said) == ["Created", *["Updated"] * (writers - 1)]
    assert len(github.by_bot()) == 1 and github.by_bot()[0] in texts


@pytest.mark.faults
def test_a_text_that_is_too_long_is_refused_by_the_host_in_its_words(comment):
    request = PullRequest(github_api.REPOSITORY, github_api.PULL_REQUEST, github_api.TOKEN, comment.github.url)
    with pytest.raises(
        Exception, match=r"GitHub answered 422 to POST .*Body is too long \(maximum is 65536 characters\)"
    ):
        request.comment("x" * 65_537, print)
    assert comment(REPORT + "\n| a |\n" * 20_000)[0] == 0
    assert len(comment.github.by_bot()[0]) <= 65_536


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "arguments", "files", "said"),
    [
        (
            "# Notes\n",
            [],
            ["report.md"],
            "report.md: starts otherwise than a report of `tandem cost --format markdown`",
        ),
        (REPORT, [], ["report.md", "./report.md"], "Several files are called report: name each as its stack."),
        (REPORT, ["--run", "https://a.b/) [c](d"], ["report.md"], "give a URL of letters, digits and .:/-_ alone"),
    ],
)
def test_what_is_no_report_is_not_posted(comment, text, arguments, files, said):
    code, output = comment(text, *arguments, files=files)
    assert code == 2 and said in output
    assert comment.github.requests == []


@pytest.mark.faults
def test_a_token_is_asked_for(comment, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    code, said = comment(REPORT)
    assert code == 1 and "There is no GITHUB_TOKEN: set it to a token that may write to pull requests." in said


@pytest.mark.faults
def test_a_wrong_token_is_no_reason_to_wait(comment, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_another-token-altogether")
    code, said = comment(REPORT)
    assert code == 1 and "GitHub answered 401 to GET" in said and "needs `pull-requests: write`" in said
    assert "ghs_another" not in said and len(comment.github.requests) == 1


@pytest.mark.faults
def test_a_token_that_may_only_read_is_no_reason_to_wait(comment):
    comment.github.may_write = False
    code, said = comment(REPORT)
    assert code == 1 and "GitHub answered 403 to POST" in said and "needs `pull-requests: write`" in said
    assert comment.github.requests[-1].startswith("POST") and comment.github.comments == []

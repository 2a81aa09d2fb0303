"""`tandem cost comment` by hand, outside of a workflow; inside of one it is in tests/unit/test_pull_request.py."""

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tests.support import github_api

REPORT = "<!-- tandem-cost: shop/dev -->\n\n### Cost of `shop/dev`\n"


@pytest.fixture
def comment(tmp_path, monkeypatch):
    with github_api.serve() as github:
        for name in ("GITHUB_REPOSITORY", "GITHUB_STEP_SUMMARY", "PULL_REQUEST"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GITHUB_TOKEN", github_api.TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", github.url)

        def run(text, *arguments):
            (tmp_path / "report.md").write_text(text)
            named = ["--repository", github_api.REPOSITORY, "--pull-request", str(github_api.PULL_REQUEST)]
            done = CliRunner().invoke(app, ["cost", "comment", str(tmp_path / "report.md"), *named, *arguments])
            return done.exit_code, done.output

        run.github = github
        yield run


def test_it_says_where_the_comment_is(comment):
    assert comment(REPORT) == (0, f"Created {comment.github.comments[0]['html_url']}\n")
    assert comment.github.by_bot() == [REPORT]


@pytest.mark.faults
def test_what_is_no_report_is_not_posted(comment):
    code, said = comment("# Notes\n")
    assert code == 2 and "report.md: starts otherwise than a report of `tandem cost --format markdown`" in said
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

"""A change against a preview of the base, in place of what is deployed."""

import json
from decimal import Decimal

import pytest
from tandem_contract.errors import TandemError
from typer.testing import CliRunner

from samples.previews import digest, state, step
from tandem.cli.main import app
from tandem.cost.base import against
from tandem.cost.preview import KEPT, read_preview

VOLUME = "aws:ebs/volume:Volume"


def at(name, size, **more):
    return state(VOLUME, name, {"size": size, "type": "gp3", "availabilityZone": "us-east-1a"}, **more)


def compared(base, head, **more):
    return against(read_preview(digest(*base)), read_preview(digest(*head, **more)))


def sides(read):
    return [
        (change.op, change.urn.rsplit("::", 1)[1], *(x and x.inputs["size"] for x in (change.before, change.after)))
        for change in read.changes
    ]


def test_before_is_what_the_base_would_make_whatever_is_deployed():
    """`new` isn't deployed, `merged` is in the base and not deployed, `old` goes in both, `gone` in the change."""
    base = [
        step("create", None, at("new", 10)),
        step("update", at("merged", 1), at("merged", 20)),
        step("same", at("kept", 5), at("kept", 5)),
        step("delete", at("old", 7)),
        step("same", at("gone", 8), at("gone", 8)),
        step("same", at("moved", 9), at("moved", 9)),
        step("same", at("grown", 3), at("grown", 3)),
    ]
    head = [
        step("create", None, at("new", 30)),
        step("update", at("merged", 1), at("merged", 20)),
        step("same", at("kept", 5), at("kept", 5)),
        step("delete", at("old", 7)),
        step("delete", at("gone", 8)),
        step("replace", at("moved", 9), at("moved", 19)),
        step("refresh", at("grown", 3), at("grown", 4)),
        step("create", None, at("added", 40)),
    ]
    assert sides(compared(base, head)) == [
        ("update", "new", 10, 30),
        ("same", "merged", 20, 20),
        ("same", "kept", 5, 5),
        ("delete", "gone", 8, None),
        ("replace", "moved", 9, 19),
        ("update", "grown", 3, 4),
        ("create", "added", None, 40),
    ]


def test_what_is_retained_beside_its_replacement_is_in_both():
    retained = at("volume", 10, retainOnDelete=True)
    steps = [step("replace", retained, at("volume", 20))]
    read = compared(steps, steps)
    assert sides(read) == [("same", "volume", 20, 20), ("same", "volume", 10, 10)]
    assert read.changes[1].remark == KEPT


def test_names_that_pulumi_makes_up_are_no_change():
    """Of two previews of `aws.sqs.Queue("orders")` that isn't deployed."""
    previews = [
        [step("create", None, state("aws:sqs/queue:Queue", "orders", {"name": f"orders-{made_up}"}))]
        for made_up in ("85ad769", "de931af")
    ]
    assert [change.op for change in compared(*previews).changes] == ["same"]


@pytest.mark.faults
def test_previews_of_two_stacks_are_refused_and_problems_of_both_are_said():
    other = digest(step("create", None, at("a", 1))).replace("rag-dev", "rag-prod")
    with pytest.raises(TandemError, match=r"tandem/rag-prod, the change one of tandem/rag-dev"):
        against(read_preview(other), read_preview(digest(step("create", None, at("a", 1)))))
    failed = {"diagnostics": [{"severity": "error", "message": "error: no"}]}
    base = read_preview(digest(step("create", None, at("a", 1)), **failed))
    problems = against(base, read_preview(digest(step("create", None, at("a", 1)), **failed))).problems
    assert [problem.startswith("in the base: ") for problem in problems] == [True, False]


def test_the_command_compares_two_previews_without_a_cloud(tmp_path):
    """Ten gigabytes of gp3 more, at $0.08 each."""
    for name, size in (("base", 10), ("head", 20)):
        (tmp_path / f"{name}.json").write_text(digest(step("create", None, at("volume", size))))
    files = [str(tmp_path / "head.json"), "--base", str(tmp_path / "base.json")]
    done = CliRunner().invoke(app, ["cost", *files, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["compared"], found["new"]) == ("base", False)
    assert Decimal(found["numbers"]["idle"]["delta"]) == Decimal("0.8")
    assert Decimal(found["numbers"]["idle"]["before"]) == Decimal("0.8")


def test_of_two_previews_the_one_that_cant_be_used_is_named(tmp_path):
    head, base = tmp_path / "head.json", tmp_path / "base.json"
    head.write_text(json.dumps({"steps": [{"op": "create", "urn": "urn:pulumi:dev::shop::a:b/c:C::it"}]}))
    base.write_text('{"steps": [{')
    done = CliRunner().invoke(app, ["cost", str(head), "--base", str(base)])
    assert done.exit_code == 2 and f"--base {base}: " in done.stderr and "cut off" in done.stderr

"""`make verify-aws`: price, consent, deploy, use, probe, destroy, audit, log; or `--remove` what a killed one left.

`--rehearse` does the same on the local cloud, without consent, and logs nothing.
"""

import argparse
import datetime
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.errors import TandemError

from localcloud import paths
from scripts import aws_facts
from scripts.finetune import DATA, data
from scripts.local_environment import ROOT
from scripts.verify import elsewhere, left, probes
from scripts.verify.journal import CLEAN, FOLDER, Journal
from scripts.verify.probes import INGEST, RESIZE, RUN, Answer, Deployed
from scripts.verify.stack import (
    OPTIONS,
    Place,
    all_names,
    asked,
    configured,
    destroy,
    file_of,
    mend,
    pulumi,
    resources,
    run,
    state,
    tagging,
    tandem,
)
from tandem.clients import aws_errors, pulumi_stack
from tandem.clients.aws_errors import is_local

LOG = ROOT / "docs" / "verified.md"
DOCUMENT = ROOT / "samples" / "alpenhut"
QUESTION = "When does the hut close for the winter?"
RECIPE = Path(__file__).with_name("recipe.yaml")
PATIENCE = {False: 900.0, True: 60.0}
"""Seconds that what was deleted may still be listed, on AWS (its tags lag) and on the local cloud."""


class Verification:
    """One stack, its journal, and where it goes."""

    def __init__(self, stack: str, here: bool, with_run: bool) -> None:
        self.stack, self.here, self.with_run, self.model = stack, here, with_run, ""
        self.journal = Journal((paths.HOME / "rehearsal" if here else FOLDER) / f"{stack}.jsonl")
        self.copy = self.journal.path.with_name(f"Pulumi.{stack}.yaml")

    def main(self, remove: bool) -> int:
        """All of it; returns the exit code."""
        file = file_of(self.stack)
        retention = (file.get("config") or {}).get("tandem:retention", "not set")
        if retention != "erase" and not remove:
            sys.exit(
                f"tandem:retention of {self.stack} is {retention}, and a stack that keeps its data can't be destroyed: "
                "set it to erase, or give another stack as STACK. Nothing was done."
            )
        if not run("pulumi", "stack", "select", self.stack, *([] if remove else ["--create"])):
            sys.exit(f"The stack {self.stack} can't be selected or made (see above): nothing was done.")
        self.configured = configured(self.stack)
        if found := elsewhere.of_stack(self.configured, file):
            sys.exit(
                f"{', '.join(found)} of {self.stack} may have Pulumi deploy elsewhere than to the account that is "
                "asked about here: nothing was done. Copy the stack's file to another name without that, give that as "
                "STACK, and set in the shell which credentials are used."
            )
        self.place = Place.of(self.configured)
        if entries := self.journal.unfinished():
            self.clean(entries)
        if remove:
            if not entries:
                self.refuse_what_stands()
            print("Nothing is left." if entries else "No verification was ended before its end: nothing to remove.")
            return 0
        self.refuse_what_is_in_use()
        self.ask()
        before = left.locally() if self.here else []
        verification = secrets.token_hex(8)
        self.journal.note("begin", **self.place._asdict(), verification=verification, day=_today(), before=before)
        steps, answers = self.verify(verification)
        remaining = self.audit(self.journal.unfinished())
        print("Left over:", *(remaining or ["nothing"]), sep="\n  ")
        if not remaining:
            self.journal.note(CLEAN)
        for answer in answers:
            print(answer)
        if not self.here:
            self.log(steps, answers, remaining)
        return 0 if all(steps) and not remaining and not any(it.state == probes.FAILS for it in answers) else 1

    def clean(self, entries: Sequence[dict[str, Any]]) -> None:
        """Remove what a verification left that was ended before its end; exits unless nothing is left."""
        began, last = entries[0], entries[-1]["step"]
        of = tuple(began.get(name) for name in Place._fields)
        if of != self.place:
            sys.exit(
                f"A verification of {self.stack} was ended at `{last}` in account {of[0]}, {of[1]}, and these are "
                f"account {self.place.account}, {self.place.region}: what it left has to be removed there first."
            )
        print(f"A verification of {self.stack} that began on {began.get('day')} was ended at `{last}`.")
        print("What it left is removed before anything else.")
        self.journal.note("mend", names=self.names())
        verification = began.get("verification")
        lost = mend(self.stack, self.place, left.tagged(self.stack, verification) if verification else ())
        self.journal.note("destroy", names=self.names(), lost=lost)
        destroyed = destroy(self.stack)
        remaining = self.audit(self.journal.unfinished())
        if not destroyed or remaining:
            begun = dict.fromkeys(urn for entry in self.journal.unfinished() for urn in entry.get("lost", ()))
            maybe = [f"perhaps {urn}, whose creation was begun" for urn in begun]
            end = "nothing else is done before it is. Remove by hand what is named, and call this again."
            if not verification:
                end = (
                    "it was begun by a release that didn't tag what is a verification's, so that some of this may be "
                    f"another's, whose stack is called so too. Remove by hand what is yours, then {self.journal.path}."
                )
            sys.exit("\n  ".join([f"{self.stack} isn't gone: {end}", *remaining, *maybe]))
        self.journal.note(CLEAN)

    def refuse_what_stands(self) -> None:
        """Exit where there is something of the stack, and no journal that says that a verification made it."""
        stands = [resource["urn"] for resource in resources(state(self.stack))]
        stands += [arn for arn in left.tagged(self.stack) if not left.ended(arn)]
        if stands:
            end = f"no journal in {self.journal.path.parent} says that a verification made {self.stack}, which stands"
            sys.exit("\n  ".join([f"Nothing was removed: {end}. Destroy it yourself if it may go.", *stands]))

    def refuse_what_is_in_use(self) -> None:
        """Exit where a stack has resources that no verification made."""
        if found := resources(state(self.stack)):
            sys.exit(
                f"{self.stack} has {len(found)} resources that no verification made, and a verification would destroy "
                f"them: destroy it yourself, or copy its file to another name and give that as STACK."
            )
        if not self.here and (others := [arn for arn in left.tagged(self.stack) if not left.ended(arn)]):
            sys.exit(
                f"Account {self.place.account} has {len(others)} resources of a stack {self.stack} that isn't in this "
                f"backend, such as {others[0]}: give another stack as STACK."
            )

    def ask(self) -> None:
        """The price, and consent; exits without either."""
        if not tandem("cost", stack=self.stack):
            sys.exit(f"The price of {self.stack} isn't known (see above): nothing was deployed.")
        print("It is destroyed at the end: what is billed by the hour is billed for as long as it stood.")
        if self.with_run:
            print(f"One run of {RECIPE.relative_to(ROOT)} is started, which costs the ceiling of a run at most.")
        account, region, _ = self.place
        if not self.here and input(f"Type the account id ({account}) to deploy to it in {region}: ") != account:
            sys.exit("Nothing was deployed.")

    def verify(self, verification: str) -> tuple[tuple[bool, bool, bool], list[Answer]]:
        """Deploy, use, probe and destroy; whether each succeeded. What was deployed is destroyed whatever happens."""
        worked: list[str] = []
        outputs: dict[str, Any] = {}
        answers: list[Answer] = []
        used = False
        try:
            tagged = tagging(self.stack, verification, self.copy)
            if self.step("up", worked, lambda: pulumi("up", *OPTIONS, *tagged, stack=self.stack)):
                outputs = dict(pulumi_stack.state(self.stack).outputs)
                used = all(self.step(name, worked, command) for name, command in self.uses(outputs))
                if not self.here and "aoss" in str(outputs.get("storeEndpoint", "")):
                    self.step(RESIZE, worked, lambda: self.resize(verification))
                answers += self.probe(outputs, worked, after=False)
        except (Exception, KeyboardInterrupt) as failure:  # what was deployed is destroyed first
            print(f"Failed: {failure or 'interrupted'}")
        self.journal.note("destroy", names=self.names())
        destroyed = destroy(self.stack)
        if destroyed == 1:
            worked.append("destroy")
        answers += self.probe(outputs, worked, after=True)
        return ("up" in worked, used, bool(destroyed)), answers

    def names(self, entries: Sequence[dict[str, Any]] = ()) -> list[str]:
        """What names the stack's resources, now and in these steps; in these alone where Pulumi can't tell."""
        try:
            return all_names(entries, state(self.stack))
        except TandemError as failure:
            print(failure)
            return all_names(entries, {"deployment": {}})

    def step(self, name: str, worked: list[str], command: Any) -> bool:
        """Do a step that the journal has by then; whether it succeeded."""
        self.journal.note("up" if name == "up" else "use", what=name)
        if done := command():
            worked.append(name)
        return done

    def uses(self, outputs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Steps that show that a stack with these outputs works, by name."""
        stack = self.stack
        if "queryUrl" in outputs:
            yield INGEST, lambda: tandem("ingest", DOCUMENT, stack=stack)
            yield probes.ASK, self.question
        if "trainingPipelineArn" in outputs:
            for phase in data(stack):
                yield phase.title, lambda phase=phase: run(*phase.command)
            yield "tandem dataset check", lambda: tandem("dataset", "check", DATA, stack=stack)
            yield "tandem finetune check", lambda: tandem("finetune", "check", RECIPE, "--data", DATA, stack=stack)
            if self.with_run:
                start = ("finetune", "start", RECIPE, "--data", DATA, "--yes", "--follow")
                yield RUN, lambda: tandem(*start, stack=stack)

    def question(self) -> bool:
        """Ask one that the documents answer; whether a model did. A refusal is no failure of the command's."""
        said = asked(QUESTION, self.stack)
        self.model = said.get("model") or ""
        return bool(self.model) and not said["refused"]

    def resize(self, verification: str) -> bool:
        """Change the store's limit; whether it went well and left no difference."""
        changed = tagging(self.stack, verification, self.copy, maxSearchOcu=4)
        return pulumi("up", *OPTIONS, *changed, stack=self.stack) and pulumi(
            "preview", "--expect-no-changes", "--suppress-permalink", *changed, stack=self.stack
        )

    def probe(self, outputs: dict[str, Any], worked: list[str], after: bool) -> list[Answer]:
        """The answers to what only an account knows."""
        self.journal.note("probe", after=after)
        return probes.ask(probes.probes(outputs, after), Deployed(self.stack, outputs, worked, self.model), self.here)

    def audit(self, entries: Sequence[dict[str, Any]]) -> list[str]:
        """What is left of what these steps made, once what was deleted has had the time to go."""
        names, before = self.names(entries), entries[0].get("before", [])
        deadline = time.monotonic() + PATIENCE[self.here]
        while True:
            remaining, others = left.left(self.stack, entries[0].get("verification", ""), names, self.here)
            if self.here:
                remaining += [row for row in left.locally() if row not in before]
            if not remaining or time.monotonic() > deadline:
                if others:
                    of = f"Tagged as of {self.stack}, but not as what was verified, so another's, and not touched:"
                    print(of, *others, sep="\n  ")
                return sorted(remaining)
            time.sleep(PATIENCE[self.here] / 60)

    def log(self, steps: Sequence[bool], answers: Sequence[Answer], remaining: Sequence[str]) -> None:
        """The line of docs/verified.md, and the days of the facts that the account showed."""
        commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
        held = [answer.fact for answer in answers if answer.state == probes.HOLDS]
        not_so = [answer.fact for answer in answers if answer.state == probes.FAILS]
        told = f"{len(held)} of {len(answers)} hold" + "".join(f"; not {fact}" for fact in not_so)
        cells = [_today(), commit, self.stack, self.place.region, *("yes" if done else "no" for done in steps)]
        with LOG.open("a", encoding="utf-8") as log:
            log.write("| " + " | ".join([*cells, told, ", ".join(remaining) or "nothing"]) + " |\n")
        aws_facts.saw(held, _today(), aws_facts.SEEN)
        aws_facts.PAGE.write_text(aws_facts.page(), encoding="utf-8")


def _today() -> str:
    return datetime.date.today().isoformat()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.verify", description=__doc__)
    parser.add_argument("--stack", default="rag-dev")
    parser.add_argument("--rehearse", action="store_true", help="on the local cloud, and log nothing")
    parser.add_argument("--remove", action="store_true", help="remove what a killed verification left, and no more")
    parser.add_argument("--run", action="store_true", help="start a fine-tuning run too, where the stack has some")
    options = parser.parse_args(arguments)
    urls = elsewhere.variables()
    here = elsewhere.VARIABLE in urls and all(map(is_local, urls.values()))
    if options.rehearse and not here:
        sys.exit('A rehearsal is for the local cloud: `eval "$(.venv/bin/tandem local env)"` first.')
    if (found := [*elsewhere.settings()]) and not options.rehearse:
        what = "this isn't AWS, or not all of it"
        sys.exit(f"Set, so that {what}: {', '.join(found)}. Unset that; `make rehearse` practises here.")
    if not shutil.which("pulumi"):
        sys.exit(pulumi_stack.NO_PULUMI)
    verification = Verification(options.stack, here, options.run)
    with verification.journal.held() as free:
        if not free:
            sys.exit(f"Another verification of {options.stack} is at work: wait for its end.")
        try:
            return verification.main(options.remove)
        except TandemError as failure:
            sys.exit(str(failure))
        except (BotoCoreError, ClientError) as failure:  # before anything is deployed: after that it is told and undone
            sys.exit(aws_errors.sentence(failure))


if __name__ == "__main__":
    sys.exit(main())

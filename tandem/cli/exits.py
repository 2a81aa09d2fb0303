"""Exit codes, and what each means to a program that runs a command; docs/commands.md has the table."""

FAILED, UNUSABLE, CROSSED, INTERRUPTED = 1, 2, 3, 130
MEANINGS = {
    0: "Done, and what was looked at is well.",
    FAILED: "It failed, and a sentence on stderr says why; or what was looked at isn't well: a `problem` (`doctor`, "
    "`preflight`), a document that wasn't taken in (`ingest`), a row with too many tokens (`dataset check`), too few "
    "answers as they should be (`questions`), a run that didn't succeed (`finetune ... --follow`), a part that "
    "couldn't be asked (`status`). Also a question that was answered with no.",
    UNUSABLE: "The command or a file that it was given can't be used: an unknown option, a value that isn't allowed, a "
    "file that isn't there, a preview, facts or limits that can't be read.",
    CROSSED: "A limit was crossed: a gate failed (`cost --gates`), a metric is surely worse "
    "(`eval compare --fail-on-worse`).",
    INTERRUPTED: "Interrupted, by Ctrl-C. What was done stays; for `ingest` and `eval run` the same command goes on.",
}

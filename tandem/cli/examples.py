"""Examples of the commands, which their help and docs/commands.md show; a test parses each against the commands."""

import typer

EXAMPLES = {
    "ingest": ("tandem ingest handbook/", "tandem ingest --dry-run handbook/ --json"),
    "ask": (
        'tandem ask "How long is the warranty?"',
        'tandem ask "Who may sign?" --stack prod --environment law --filter document=powers.pdf',
        'tandem ask "How long is the warranty?" --json --url https://ID.execute-api.us-east-1.amazonaws.com/v1/query',
    ),
    "questions": (
        "tandem questions questions.jsonl --min-found 18 --min-refused 3",
        "tandem questions questions.jsonl --stack prod --json",
    ),
    "documents": ("tandem documents", "tandem documents --stack prod --json"),
    "reread": ("tandem reread", "tandem reread --ask-above 2.50"),
    "redrive": ("tandem redrive --dry-run", "tandem redrive --limit 10"),
    "forget": ("tandem forget old.md", "tandem forget law/2019.pdf law/2020.pdf --stack prod --environment law"),
    "status": ("tandem status --stack hybrid-dev", "tandem status --stack prod --environment law --json"),
    "advise": ("tandem advise facts.yaml", "tandem advise facts.yaml --run base=base --run rag=rag --format markdown"),
    "doctor": ("tandem doctor", "tandem doctor --stack rag-dev --json"),
    "preflight": (
        "tandem preflight --stack rag-dev",
        "pulumi preview --json --show-sames | tandem preflight - --stack rag-dev",
    ),
    "policies": ("tandem policies", "tandem policies infra/policies"),
    "dataset import": (
        'tandem dataset import rows.jsonl --name support --licence CC-BY-4.0 --source "our help desk, 2026"',
        "tandem dataset import --train a.csv --test b.csv --name s --licence CC0-1.0 --source me --to folder",
    ),
    "dataset check": (
        "tandem dataset check support",
        "tandem dataset check folder/ --tokenizer tokenizer.json --max-tokens 2048",
    ),
    "finetune check": (
        "tandem finetune check recipe.yaml --data support",
        "tandem finetune check recipe.yaml --data support@0123456789ab --json",
    ),
    "finetune start": (
        "tandem finetune start recipe.yaml --data support --follow",
        "tandem finetune start recipe.yaml --data support --ask-above 50",
    ),
    "finetune status": ("tandem finetune status RUN", "tandem finetune status RUN --follow"),
    "finetune logs": ("tandem finetune logs RUN --follow", "tandem finetune logs RUN --step evaluate"),
    "finetune cancel": ("tandem finetune cancel RUN", "tandem finetune cancel RUN --stack finetune-prod"),
    "finetune resume": ("tandem finetune resume RUN", "tandem finetune resume RUN --follow"),
    "finetune compare": ("tandem finetune compare RUN", "tandem finetune compare RUN OTHER --json"),
    "finetune promote": (
        "tandem finetune promote RUN --approve",
        "tandem finetune promote RUN --config stacks/Pulumi.prod.yaml",
    ),
    "eval import": (
        "tandem eval import dev-v2.0.json --to squad.jsonl",
        "tandem eval import pairs.csv --to set.jsonl --document huts/prices.md",
    ),
    "eval run": (
        "tandem eval run questions.jsonl --target stack:rag-dev --name rag",
        "tandem eval run questions.jsonl --target bedrock:us.amazon.nova-lite-v1:0 --name base --limit 20",
        "tandem eval run questions.jsonl --target https://host/v1#MODEL --key-variable KEY --name other",
    ),
    "eval compare": ("tandem eval compare base rag", "tandem eval compare base rag --fail-on-worse --json"),
    "eval report": ("tandem eval report base rag tuned", "tandem eval report base rag --to a.html --markdown a.md"),
    "eval calibrate": ("tandem eval calibrate questions.jsonl", "tandem eval calibrate questions.jsonl --json"),
    "cost show": (
        "tandem cost --stack rag-dev",
        "pulumi preview --json --show-sames | tandem cost - --gates cost-gates.yaml",
        "tandem cost preview.json --base base.json --policies events.json --format markdown --output dev.md",
    ),
    "cost comment": (
        "tandem cost comment dev.md --pull-request 7 --repository acme/shop --commit 4f2a9c1",
        "tandem cost comment dev.md prod.md --name shop --pull-request 7 --repository acme/shop --only-moved",
        "tandem cost comment dev.md --pull-request 7 --repository acme/shop --api https://ghe.example.com/api/v3",
    ),
    "cost refresh": ("tandem cost refresh --region us-east-1", "tandem cost refresh --region us-east-1 --write"),
}
"""By command, without `tandem`; each ends in a command line of ours."""


def show(app: typer.Typer, group: str = "") -> None:
    """Have the help of each command of an app end with its examples."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        command.epilog = "\n\n".join(("Examples:", *EXAMPLES.get(f"{group}{name}", ())))
    for inner in app.registered_groups:
        if inner.typer_instance:
            show(inner.typer_instance, f"{inner.typer_instance.info.name} ")

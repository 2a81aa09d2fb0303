"""The pages of components are made from the components, and all of them have one."""

import pulumi_tandem

from scripts import components_page


def test_the_pages_are_current():
    """Where this fails: `make docs`."""
    written = {page.name: page.read_text(encoding="utf-8") for page in components_page.FOLDER.iterdir()}
    assert written == components_page.pages()


def test_every_component_says_what_it_is_and_what_it_costs_idle():
    found = components_page.components()
    assert {name for name in pulumi_tandem.__all__ if name.endswith("Environment")} < set(found)
    assert len(found) >= 20
    for name, component in found.items():
        assert components_page.idle_cost(component), name
        page = (components_page.FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for title in ("Inputs", "What it creates", "Idle cost", "IAM", "Tear-down"):
            (content,) = page.split(f"\n## {title}\n")[1:]
            assert content.partition("\n## ")[0].strip(), (name, title)


def test_a_permission_on_a_page_is_one_that_the_role_has():
    page = (components_page.FOLDER / "QueryApi.md").read_text(encoding="utf-8")
    assert (
        "| `NAME` | `dynamodb:GetItem`, `dynamodb:BatchGetItem` | `arn:aws:dynamodb:REGION:ACCOUNT:table/rag-ledger`"
        in page
    )
    assert "`sagemaker:InvokeEndpoint`" in page  # with a tuned model alone

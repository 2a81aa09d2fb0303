"""The sample documents and questions: they can be collected, regenerated and belong together."""

import importlib.util
from collections import Counter
from pathlib import Path

import pypdf
import pytest

from tandem.evaluation.questions import load

SAMPLES = Path(__file__).parents[3] / "samples"


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, SAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("samples")
    (target / "construction").mkdir()
    (target / "construction" / "left-over.md").touch()
    script("collect").collect(target)
    return target


def test_the_whole_faq_is_there_with_its_attribution(collected):
    import zaragoza_construction_faq as faq

    documents = sorted((collected / "construction").glob("*.md"))
    texts = [path.read_text(encoding="utf-8") for path in documents]
    assert 15 <= len(documents) <= 25
    assert sum(text.count("\n## ") for text in texts) == len(faq.load(lang="en")) == 503
    assert all("Swedish Construction FAQ by Zaragoza AB" in text and "CC BY 4.0" in text for text in texts)
    assert "CC BY 4.0" in (collected / "construction" / "ATTRIBUTION.txt").read_text()
    assert not (collected / "construction" / "left-over.md").exists()


def test_our_own_documents_cover_the_formats(collected):
    formats = Counter(path.suffix for path in (collected / "alpenhut").iterdir())
    assert formats == {".md": 2, ".txt": 2, ".html": 2, ".pdf": 2}


@pytest.mark.parametrize("name", ["radio-procedures", "rescue-plan"])
def test_pdfs_are_what_the_script_makes(name):
    text = (SAMPLES / "pdf_text" / f"{name}.txt").read_text(encoding="utf-8")
    file = SAMPLES / "alpenhut" / f"{name}.pdf"
    assert file.read_bytes() == script("make_pdfs").write_pdf(text)
    pages = [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(file, strict=True).pages]
    parts = text.split("\n---\n")
    assert len(pages) == len(parts) == 3
    assert pages == [" ".join(part.replace("# ", "").replace("#", "").split()) for part in parts]


def test_questions_name_documents_that_exist(collected):
    questions = load(SAMPLES / "questions.jsonl")
    labelled = [question.document for question in questions if question.document]
    assert (len(questions), len(labelled)) == (20, 15)
    assert all((collected / name).is_file() for name in labelled)
    assert {Path(name).suffix for name in labelled} == {".md", ".txt", ".html", ".pdf"}

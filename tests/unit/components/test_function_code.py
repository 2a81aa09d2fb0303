"""The zips of functions: each handler runs from its own, which carries nothing that another group needs."""

import ast
import subprocess
import sys
import zipfile

import pytest
from pulumi_tandem.finetuning.training_code import training_code
from pulumi_tandem.foundation.function_code import GROUPS, archive, function_code

from scripts.recorder import record_stack

ABSENT = ["boto3", "typer", "rich", "yaml", "torch", "jsonschema"]
READERS = ["pypdfium2", "selectolax", "markdown_it", "lxml", "openpyxl", "docutils"]


@pytest.fixture(scope="module")
def functions():
    stack = record_stack({"tandem:environment": "hybrid", "tandem:retention": "erase"})
    return {f.inputs["handler"]: f.inputs["code"]["path"] for f in stack.of("aws:lambda/function:Function")}


def group_of(path: str) -> str:
    return path.rpartition("functions-")[2].partition("-")[0]


def test_each_group_has_its_functions(functions):
    found = {handler.removesuffix(".handler"): group_of(path) for handler, path in functions.items()}
    assert found == {
        "tandem.rag.functions.ingest": "ingest",
        "tandem.rag.functions.query": "retrieval",
        "tandem.rag.functions.sweep": "retrieval",
        "tandem.rag.functions.ensure_index": "retrieval",
        **{f"tandem.finetuning.functions.{name}": "tuning" for name in ("plan", "gate", "register", "guard", "clean")},
    }


@pytest.mark.parametrize("group", [group.name for group in GROUPS])
def test_functions_run_from_their_zip_alone(functions, tmp_path, group):
    handlers = {handler: path for handler, path in functions.items() if group_of(path) == group}
    (path,) = set(handlers.values())
    absent = ABSENT if group == "ingest" else ABSENT + READERS
    program = f"import sys, importlib\nsys.path.insert(0, {path!r})\nsys.modules.update(dict.fromkeys({absent!r}))\n"
    for handler in handlers:
        module, name = handler.rsplit(".", 1)
        program += f"m = importlib.import_module({module!r})\nassert '.zip' in m.__file__ and callable(m.{name})\n"
    subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, check=True)


def test_only_what_reads_documents_carries_what_reads_them(functions):
    for path in set(functions.values()):
        names = zipfile.ZipFile(path).namelist()
        carries = {package for package in READERS if any(name.startswith(f"{package}/") for name in names)}
        assert carries == (set(READERS) if group_of(path) == "ingest" else set())
        assert any("/rag/documents/" in name for name in names) == (group_of(path) == "ingest")
        assert group_of(path) == "ingest" or not [name for name in names if not name.endswith(".py")]


def modules(path: str) -> dict[str, str]:
    """Module -> its source, of a zip."""
    bundle = zipfile.ZipFile(path)
    names = {name: name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in bundle.namelist()}
    return {module: bundle.read(name).decode() for name, module in names.items()}


def imports(module: str, source: str) -> set[str]:
    """What of ours a module imports, now or later."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            parent = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{parent}.{name.name}" for name in node.names}
    return {name for name in found if name.startswith(("tandem.", "tandem_contract."))}


@pytest.mark.parametrize("kind", ["training", "tuning"])
def test_fine_tunings_archives_carry_what_they_import_and_nothing_that_runs_elsewhere(functions, kind):
    paths = {group_of(path): path for path in functions.values()} | {"training": str(training_code().asset.path)}
    carried = modules(paths[kind])
    for module, source in carried.items():
        for name in imports(module, source):
            assert name in carried or name.rpartition(".")[0] in carried, f"{module} imports {name}"
    folder = "functions" if kind == "training" else "training"
    assert not [name for name in carried if name.startswith(f"tandem.finetuning.{folder}.")]
    assert not [name for name in carried if name.startswith("tandem.finetuning.backends")]


@pytest.mark.parametrize(("rank", "ends"), [({}, True), ({"TORCHELASTIC_RUN_ID": "1", "RANK": "1"}, False)])
def test_a_rank_ends_without_its_interpreters_end(tmp_path, rank, ends):
    """Which threads of torch abort now and then: a training of two hosts was recorded as failed after its last step."""
    (tmp_path / "sitecustomize.py").write_text("import threading\nthreading._register_atexit(print, 'its end')\n")
    command = [sys.executable, training_code().asset.path, "train"]
    environment = {"PYTHONPATH": str(tmp_path), "TANDEM_ML_ROOT": str(tmp_path / "ml"), **rank}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "its end" in done.stdout) == (2, ends), done.stderr


def test_the_same_content_is_the_same_file(tmp_path, monkeypatch):
    content = {"b.py": b"2", "a.py": b"1"}
    files = []
    for place in ("one", "two"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
        files.append(archive("functions-test", ".zip", content))
    assert files[0].name == files[1].name and files[0].read_bytes() == files[1].read_bytes()
    assert archive("functions-test", ".zip", content | {"a.py": b"3"}).name != files[0].name
    assert function_code("tandem.rag.functions.query.handler") is function_code("tandem.rag.functions.sweep.handler")

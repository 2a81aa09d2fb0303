"""What Lambda runs functions on, and how packages for it are installed, whatever machine does it.

hatch_build.py reads this file by itself, so it imports nothing.
"""

PYTHON = "3.12"
ARCHITECTURE = "arm64"
GLIBC = (2, 34)
"""Of Amazon Linux 2023, which has that Python."""

_LOCKED = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON]
# Wheels for each glibc from manylinux2014's, 2.17, to Lambda's run there.
_TAGS = [f"manylinux_{GLIBC[0]}_{minor}_aarch64" for minor in range(GLIBC[1], 16, -1)] + ["manylinux2014_aarch64"]

PIP_OPTIONS = ["--no-compile", "--no-input", "--no-user", "--disable-pip-version-check", *_LOCKED]
PIP_OPTIONS += ["--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}"]
PIP_OPTIONS += [f"--platform={tag}" for tag in _TAGS]
UV_OPTIONS = [*_LOCKED, "--python-platform", f"aarch64-{_TAGS[0].removesuffix('_aarch64')}"]

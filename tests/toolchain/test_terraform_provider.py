"""Where the Terraform AWS provider is looked for, and which archive of it is taken, with small files in its place."""

import hashlib
import os
import shutil
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tandem_contract.errors import TandemError

from localcloud.toolchain import download, terraform_provider

NAME = "terraform-provider-aws_v5.100.0_x5"
UNPACKED = f"registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/{NAME}"
ARCHIVE = "terraform-provider-aws_5.100.0_linux_amd64.zip"
PACKED = f"registry.terraform.io/hashicorp/aws/{ARCHIVE}"
HCL = """
# path = "/commented/out"
plugin_cache_dir = "$HOME/cache"
provider_installation {
  network_mirror { url = "https://example.com/" }
  filesystem_mirror {
    include = ["example.com/*/*"]
    path    = "HOME/first"
  }
  filesystem_mirror {
    path = "HOME/second"
  }
}
"""
JSON = '{"provider_installation": [{"filesystem_mirror": [{"path": "HOME/first"}, {"path": "HOME/second"}]}]}'


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine that has nothing; returns its home."""
    for name in os.environ:
        if name.startswith(("TF_", "XDG_", "TANDEM_", "http_proxy", "HTTP_PROXY")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    monkeypatch.setenv("TANDEM_LOCAL_TERRAFORM_RELEASES", "http://127.0.0.1:9")
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(terraform_provider, "OPT", tmp_path / "opt")
    monkeypatch.setattr(terraform_provider, "OWN", tmp_path / "tools" / "terraform")
    monkeypatch.setattr(terraform_provider, "LINK", tmp_path / "tools" / "terraform-provider-aws")
    monkeypatch.setattr(terraform_provider.platform, "system", lambda: "Linux")
    monkeypatch.setattr(terraform_provider.platform, "machine", lambda: "x86_64")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "tools").mkdir()
    return tmp_path / "home"


def put(file, content="provider"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def pack(file, provider="provider"):
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("LICENSE.txt", "MPL")
        packed.writestr(NAME, provider)
    return file


def publish(tmp_path, monkeypatch, *hashes):
    monkeypatch.setattr(terraform_provider, "HASHES", put(tmp_path / "hashes", "\n".join(hashes)))


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("named", {"TF_PLUGIN_DIR": "named"}),
        ("named", {"TF_PLUGIN_CACHE_DIR": "{tmp}/named"}),
        ("tools/terraform", {}),
        ("terraform.d/plugins", {}),
        ("home/.terraform.d/plugins", {}),
        ("home/.local/share/terraform/plugins", {}),
        ("data/terraform/plugins", {"XDG_DATA_HOME": "{tmp}/data"}),
        ("share/terraform/plugins", {}),
        ("b/terraform/plugins", {"XDG_DATA_DIRS": "{tmp}/a:{tmp}/b"}),
        ("home/Library/Application Support/io.terraform/plugins", {}),
        ("opt", {}),
        ("opt/mirror", {}),
        ("opt/terraform/plugins", {}),
    ],
)
def test_it_is_found_where_terraform_looks(tmp_path, monkeypatch, place, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("{tmp}", str(tmp_path)))
    provider, lines = put(tmp_path / place / UNPACKED), []
    link = terraform_provider.ensure(lines.append)
    assert link.name == "terraform-provider-aws" and link.resolve() == provider
    assert lines == [f"the Terraform AWS provider is {provider}"]
    terraform_provider.ensure(lines.append)
    assert len(lines) == 1


@pytest.mark.parametrize("text", [HCL, JSON])
@pytest.mark.parametrize("file", [".terraformrc", ".terraform.d/mine.tfrc", "elsewhere.hcl"])
def test_the_mirrors_of_terraforms_configuration_are_used(home, monkeypatch, text, file):
    put(home / file, text.replace("HOME", str(home)).replace(f"${home}", "$HOME"))
    if file == "elsewhere.hcl":
        monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(home / file))
        put(home / ".terraformrc", f'plugin_cache_dir = "{home}/unused"')
        put(home / "unused" / UNPACKED)
    provider = put(home / "second" / UNPACKED)
    assert terraform_provider.ensure(print).resolve() == provider
    provider = put(home / "first" / UNPACKED)
    assert terraform_provider.ensure(print).resolve() == provider
    if text is HCL:
        provider = put(home / "cache" / UNPACKED)
        assert terraform_provider.ensure(print).resolve() == provider


def test_another_version_or_platform_is_not_taken(home, tmp_path):
    put(home / ".terraform.d/plugins" / UNPACKED.replace("5.100.0", "6.2.0"))
    put(home / ".terraform.d/plugins" / UNPACKED.replace("linux_amd64", "linux_arm64"))
    with pytest.raises(TandemError, match=r"127.0.0.1:9/terraform-provider-aws/5.100.0/.*: .* refused, 5 times"):
        terraform_provider.ensure(print)


@pytest.mark.parametrize("by", ["zh", "h1"])
def test_an_archive_is_unpacked_where_its_hash_or_that_of_its_files_is_published(home, tmp_path, monkeypatch, by):
    archive = pack(home / ".terraform.d/plugins" / PACKED)
    (tmp_path / "unpacked").mkdir()
    put(tmp_path / "unpacked/LICENSE.txt", "MPL")
    put(tmp_path / "unpacked" / NAME)
    hashes = {"zh": f"zh:{digest(archive)}", "h1": f"linux_amd64:{terraform_provider._h1(tmp_path / 'unpacked')}"}
    publish(tmp_path, monkeypatch, hashes[by])
    provider = terraform_provider.ensure(print).resolve()
    assert provider == tmp_path / "tools/terraform" / UNPACKED
    assert os.access(provider, os.X_OK)
    archive.unlink()
    assert terraform_provider.ensure(print).resolve() == provider


@pytest.mark.parametrize("content", [None, "a proxy's page"])
def test_a_wrong_archive_is_one_sentence_and_nothing_of_it_is_taken(home, tmp_path, content):
    archive = pack(home / ".terraform.d/plugins" / PACKED) if content is None else put(
        home / ".terraform.d/plugins" / PACKED, content
    )  # fmt: skip
    with pytest.raises(TandemError) as caught:
        terraform_provider.ensure(print)
    assert f"{archive} isn't the Terraform AWS provider 5.100.0 as published (its SHA-256 is {digest(archive)})" in str(
        caught.value
    )
    assert archive.exists()  # it is the user's
    assert not list((tmp_path / "tools/terraform").rglob("terraform-provider-aws*"))


def damaged(file):
    """Compressed content that isn't any."""
    pack(file, bytes(5000))
    content = bytearray(file.read_bytes())
    start = content.index(NAME.encode()) + len(NAME)
    content[start : start + 5] = b"\xff" * 5
    file.write_bytes(content)


def marked(file, offset, value):
    """Another value at this offset in each entry's header."""
    pack(file)
    content = bytearray(file.read_bytes())
    for header, before in ((b"PK\3\4", 0), (b"PK\1\2", 2)):
        at = -1
        while (at := content.find(header, at + 1)) >= 0:
            content[at + offset + before] = value
    file.write_bytes(content)


def named(file, *names):
    with zipfile.ZipFile(file, "w") as packed:
        for name in names:
            packed.writestr(name, "provider")


@pytest.mark.parametrize(
    "make",
    [
        damaged,
        lambda file: marked(file, 6, 1),  # encrypted
        lambda file: marked(file, 8, 77),  # by a method that nobody knows
        lambda file: named(file, "n" * 300),
        lambda file: named(file, NAME, f"{NAME}/inside"),
        lambda file: pack(file, "0" * 9_000_000),  # larger than the provider is
        lambda file: named(file, *map(str, range(3000))),
        lambda file: pack(file).write_bytes(file.read_bytes()[:-5]),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_an_archive_that_cannot_be_unpacked_is_a_wrong_one(home, tmp_path, monkeypatch, make, own):
    monkeypatch.setattr(terraform_provider, "UNPACKED_BYTES", 8_000_000)
    archive = (terraform_provider.OWN if own else home / ".terraform.d/plugins") / PACKED
    archive.parent.mkdir(parents=True)
    make(archive)
    with pytest.raises(TandemError, match=r"isn't the Terraform AWS provider .* as published"):
        terraform_provider.ensure(print)
    assert archive.exists() != own
    assert not list((tmp_path / "tools/terraform").rglob("terraform-provider-aws*"))
    if own:
        with pytest.raises(TandemError, match="refused, 5 times"):  # it is fetched anew
            terraform_provider.ensure(print)


@pytest.mark.parametrize("right", [True, False])
def test_it_is_downloaded_where_it_is_nowhere(tmp_path, monkeypatch, right):
    archive = pack(tmp_path / "site/terraform-provider-aws/5.100.0" / ARCHIVE)
    publish(tmp_path, monkeypatch, f"zh:{digest(archive) if right else 64 * '0'}")

    class Site(SimpleHTTPRequestHandler):
        def __init__(self, *args, **options):
            super().__init__(*args, directory=tmp_path / "site", **options)

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("TANDEM_LOCAL_TERRAFORM_RELEASES", f"http://127.0.0.1:{server.server_port}/")
    try:
        if right:
            assert terraform_provider.ensure(print).resolve() == tmp_path / "tools/terraform" / UNPACKED
        else:
            with pytest.raises(TandemError, match="isn't the Terraform AWS provider"):
                terraform_provider.ensure(print)
    finally:
        server.shutdown()
        server.server_close()
    assert not list((tmp_path / "tools").rglob("*.zip*"))  # neither what was unpacked nor what was refused is kept


@pytest.mark.parametrize(
    "mirror",
    [
        "https://user:s3cret@127.0.0.1:9",
        "https://user:s3/cret@127.0.0.1:9/path",
        "https://127.0.0.1:9/path?token=s3cret",
        "https://127.0.0.1:9/path#s3cret",
        "user:s3cret@127.0.0.1:9",
        "127.0.0.1:9/s3cret",
        "file:///srv/s3cret",
        "https://127.0.0.1:9/ s3cret",
        "https:///s3cret",
    ],
)
def test_a_mirror_that_messages_may_not_show_is_one_sentence_without_it(tmp_path, monkeypatch, capsys, mirror):
    monkeypatch.setenv("TANDEM_LOCAL_TERRAFORM_RELEASES", mirror)
    with pytest.raises(TandemError, match="TANDEM_LOCAL_TERRAFORM_RELEASES has to be like https://HOST/PATH") as caught:
        terraform_provider.ensure(print)
    assert "s3" not in str(caught.value) + capsys.readouterr().out


def test_a_full_disk_is_told_and_the_download_is_kept(tmp_path, monkeypatch):
    archive = pack(terraform_provider.OWN / PACKED)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=5))
    with pytest.raises(TandemError, match=r"has 0.0 GB of disk left, and unpacking .*zip takes 0.0 GB: free some"):
        terraform_provider.ensure(print)
    assert archive.exists()


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "linux_amd64"),
        ("Linux", "aarch64", "linux_arm64"),
        ("Darwin", "arm64", "darwin_arm64"),
        ("Darwin", "x86_64", None),
        ("Windows", "AMD64", None),
        ("Linux", "riscv64", None),
    ],
)
def test_platforms_have_terraforms_names(monkeypatch, system, machine, name):
    monkeypatch.setattr(terraform_provider.platform, "system", lambda: system)
    monkeypatch.setattr(terraform_provider.platform, "machine", lambda: machine)
    if name:
        assert terraform_provider.this_platform() == name
    else:
        with pytest.raises(TandemError, match=f"doesn't run on {system} {machine}: use one of Linux x86_64"):
            terraform_provider.this_platform()


def test_the_published_hashes_are_of_fourteen_archives_and_one_folder():
    kinds = [line.rsplit(":", 1) for line in terraform_provider.HASHES.read_text().splitlines() if line[0] != "#"]
    assert len({digest for kind, digest in kinds if kind == "zh" and len(digest) == 64}) == 14
    assert [kind for kind, _ in kinds if kind != "zh"] == ["linux_amd64:h1"]

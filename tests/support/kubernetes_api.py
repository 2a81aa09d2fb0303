"""A Kubernetes API server on loopback, over HTTPS: objects by path, lists by labels and fields, in pages."""

import contextlib
import json
import ssl
import subprocess
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import JsonHandler, serving

PAGE = 2


@dataclass
class Cluster:
    """What there is, and what was asked."""

    url: str = ""
    authority: str = ""
    """PEM."""
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    answer: Callable[[str, str], tuple[int, str] | None] = lambda _method, _path: None
    """A status and a message in place of what is asked for."""
    lingering: bool = False
    """Whether a deleted object stays, with a deletion timestamp."""

    def put(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Have an object."""
        name = path.rpartition("/")[2]
        self.objects[path] = {**content, "metadata": {"name": name, "uid": f"uid-{name}", **content["metadata"]}}
        return self.objects[path]


@contextlib.contextmanager
def serve(folder: Path) -> Generator[Cluster]:
    """Serve until the block ends; `folder` gets the certificate."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    cluster = Cluster(authority=certificate.read_text())

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            def found(path: str, query: dict[str, str]) -> tuple[int, Any]:
                if path in cluster.objects:
                    return 200, cluster.objects[path]
                if is_object(path):
                    return 404, message(f"{path} not found")
                inside = [each for name, each in sorted(cluster.objects.items()) if name.rpartition("/")[0] == path]
                chosen = [each for each in inside if selected(each, query)]
                at = int(query.get("continue", 0))
                more = {"continue": str(at + PAGE)} if len(chosen) > at + PAGE else {}
                return 200, {"kind": "List", "metadata": more, "items": chosen[at : at + PAGE]}

            self.answers(found)

        def do_POST(self) -> None:
            def created(path: str, _query: dict[str, str]) -> tuple[int, Any]:
                content = self.content()
                at = f"{path}/{content['metadata']['name']}"
                if at in cluster.objects:
                    return 409, message(f"{at} already exists")
                return 201, cluster.put(at, content)

            self.answers(created)

        def do_DELETE(self) -> None:
            def deleted(path: str, _query: dict[str, str]) -> tuple[int, Any]:
                assert self.content()["propagationPolicy"] == "Foreground"
                if path not in cluster.objects:
                    return 404, message(f"{path} not found")
                if cluster.lingering:
                    cluster.objects[path]["metadata"]["deletionTimestamp"] = "2026-11-29T09:47:40Z"
                    return 200, cluster.objects[path]
                return 200, cluster.objects.pop(path)

            self.answers(deleted)

        def content(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["content-length"])))

        def answers(self, act: Callable[[str, dict[str, str]], tuple[int, Any]]) -> None:
            url = urlsplit(self.path)
            cluster.asked.append((self.command, url.path))
            cluster.tokens.append(self.headers.get("authorization", ""))
            if instead := cluster.answer(self.command, url.path):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.reply(instead[0], message(instead[1]), {})
                return
            status, content = act(url.path, {name: values[0] for name, values in parse_qs(url.query).items()})
            self.reply(status, content, {})

    with serving(Handler, context) as url:
        cluster.url = url
        yield cluster


def is_object(path: str) -> bool:
    """Whether a path is that of one object, and not of a list of them."""
    kind = path.split("/namespaces/")[-1].split("/")[1:] if "/namespaces/" in path else path.split("/")[4:]
    return len(kind) == 2


def selected(content: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether an object has the labels and the fields that are asked for."""
    labels = content["metadata"].get("labels", {})
    for term in filter(None, query.get("labelSelector", "").split(",")):
        name, _, value = term.partition("=")
        if labels.get(name) != value:
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = term.partition("=")
        found: Any = content
        for part in path.split("."):
            found = found.get(part, {})
        if found != value:
            return False
    return True


def message(text: str) -> dict[str, str]:
    """A Status object."""
    return {"kind": "Status", "status": "Failure", "message": text}

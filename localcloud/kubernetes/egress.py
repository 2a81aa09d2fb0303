"""The API server's way to webhooks and aggregated APIs: charts name them by their services, and the controllers run
beside the cluster.

A proxy (CONNECT over an abstract Unix socket: over TCP kube-apiserver demands certificates of both sides) takes a
service's cluster IP to the controller's port, and the CA of the controllers' certificates goes where their own
certificate management would write it.
"""

import base64
import logging
import socket
import socketserver
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud.kubernetes.api import JSON_PATCH, MANAGER, Api, Json, begin

HEAD_BYTES = 65536
WEBHOOKS = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
)
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Proxy(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers CONNECT for services: `services` maps `NAME:PORT` as the chart has them to a port of this machine.

    `name` is the socket's as the API server's configuration has it, with an @ for the abstract namespace.
    """

    daemon_threads, request_queue_size = True, 64

    def __init__(self, name: str, api: Api, services: Mapping[str, int]) -> None:
        self.api, self.services = api, services
        super().__init__("\0" + name.removeprefix("@"), _Connection)

    def target(self, address: str) -> int:
        """The local port for an address of the cluster. Raises OSError with the reason where nothing stands for it."""
        ip, _, port = address.rpartition(":")
        for each in self.api.items("/api/v1/services", fieldSelector=f"spec.clusterIP={ip.strip('[]')}"):
            name = f"{each['metadata']['name']}:{port}"
            if name in self.services:
                return self.services[name]
            raise OSError(f"service {name} isn't one of those that run in the local cloud")
        raise OSError(f"no service has the address {ip}")


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
            piece = self.request.recv(4096)
            if not piece:
                return
            head += piece
        method, address, *_ = (*head.split(b"\r\n")[0].decode(errors="replace").split(" "), "", "")
        try:
            if method != "CONNECT":
                raise OSError("only CONNECT is served")
            proxy: Any = self.server
            port = proxy.target(address)
            peer = socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError as error:
            logging.warning("%s %s: %s", method, address, error)
            self.request.sendall(f"HTTP/1.1 502 {error}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        peer.settimeout(None)
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with peer:
            back = threading.Thread(target=_pump, args=(peer, self.request), daemon=True)
            back.start()
            _pump(self.request, peer)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, and pass the end on."""
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for each, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            each.shutdown(how)


class Certificates:
    """Keeps the CA in webhook configurations and in conversions of CRDs that name one of our services."""

    def __init__(self, api: Api, ca: Path, services: Mapping[str, int]) -> None:
        self.api, self.bundle = api, base64.b64encode(ca.read_bytes()).decode()
        self.names = {name.rpartition(":")[0] for name in services}

    def begin(self) -> None:
        for path in (*WEBHOOKS, CRDS):
            begin(f"CA in {path.rpartition('/')[2]}", lambda path=path: self._watch(path))

    def _watch(self, path: str) -> None:
        for kind, content in self.api.watch(path):
            if kind != "DELETED" and (changes := self.changes(content)):
                url = f"{path}/{content['metadata']['name']}"
                status, said = self.api.call("PATCH", url, changes, JSON_PATCH, fieldManager=MANAGER)
                if status not in (200, 404):  # it has changed since: the change comes
                    logging.warning("%s: no CA written: %s", url, said.get("message"))

    def changes(self, content: Json) -> list[Json]:
        """The JSON patch that an object needs; nothing where it has our CA, or names other services."""
        webhooks = {f"/webhooks/{number}": each for number, each in enumerate(content.get("webhooks", []))}
        if webhook := content.get("spec", {}).get("conversion", {}).get("webhook"):
            webhooks["/spec/conversion/webhook"] = webhook
        found = []
        for place, each in webhooks.items():
            client = each.get("clientConfig", {})
            service = client.get("service", {}).get("name")
            if service in self.names and client.get("caBundle") != self.bundle:
                same = {"op": "test", "path": f"{place}/clientConfig/service/name", "value": service}
                found += [same, {"op": "add", "path": f"{place}/clientConfig/caBundle", "value": self.bundle}]
        return found

"""The API server's way to webhooks and aggregated APIs: charts name them by their services, and the controllers run
beside the cluster.

A proxy takes a cluster IP to the port at which the controller of that service listens. It answers CONNECT over an
abstract Unix socket, since over TCP kube-apiserver demands certificates of both sides.
"""

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from localcloud.kubernetes.api import Api

HEAD_BYTES = 65536
PATIENCE_SECONDS = 8.0
"""For a controller that starts just now: a webhook's call ends after ten."""
LocalPort = Callable[[str, Mapping[str, str], str | int], int | None]
"""Namespace, selector and target port of a service -> port on 127.0.0.1, where something listens for it."""


class Proxy(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers CONNECT for services. `name` is the socket's in the API server's configuration, with an @ before it."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, name: str, api: Api, local_port: LocalPort) -> None:
        self.api, self.local_port = api, local_port
        super().__init__("\0" + name.removeprefix("@"), _Connection)

    def reach(self, address: str) -> socket.socket:
        """A connection to what stands for an address of the cluster. Raises OSError, with a reason, without one."""
        ip, _, port = address.rpartition(":")
        found = self.api.items("/api/v1/services", fieldSelector=f"spec.clusterIP={ip.strip('[]')}")
        if not found:
            raise OSError(f"no service has the address {ip}")
        meta, spec = found[0]["metadata"], found[0]["spec"]
        targets = [each.get("targetPort", each["port"]) for each in spec["ports"] if str(each["port"]) == port]
        until = time.monotonic() + PATIENCE_SECONDS
        while targets and time.monotonic() < until:
            here = self.local_port(meta["namespace"], spec.get("selector", {}), targets[0])
            with suppress(ConnectionRefusedError):
                if here:
                    return socket.create_connection(("127.0.0.1", here), timeout=5)
            time.sleep(0.2)
        raise OSError(f"nothing listens for port {port} of service {meta['namespace']}/{meta['name']}")


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
            peer = proxy.reach(address)
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

"""An HTTP proxy between a part and its service, for faults from outside."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Request:
    """What went through."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """An answer in place of the service's own."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class FaultProxy:
    """Passes requests to `upstream`; `before` may answer instead (return a `Fault`), `after` sees what passed.

    >>> with FaultProxy("http://127.0.0.1:4567", before=lambda request: Fault(429)) as proxy:
    ...     client = boto3.client("bedrock-runtime", endpoint_url=proxy.url)
    """

    def __init__(
        self,
        upstream: str,
        before: Callable[[Request], Fault | None] = lambda request: None,
        after: Callable[[Request, int], None] = lambda request, status: None,
    ):
        target = urlsplit(upstream)
        self.seen: list[Request] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
                proxy.seen.append(request)
                fault = before(request)
                if fault is None:
                    # The Host header stays the caller's: it is part of what was signed.
                    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=120)
                    connection.request(request.method, request.path, request.body, request.headers)
                    answer = connection.getresponse()
                    fault = Fault(answer.status, answer.read(), dict(answer.getheaders()))
                    connection.close()
                    after(request, fault.status)
                self.send_response(fault.status)
                for name, value in fault.headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(fault.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(fault.body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "FaultProxy":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

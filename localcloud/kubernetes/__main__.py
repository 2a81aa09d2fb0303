"""What runs beside the local control plane: `python -m localcloud.kubernetes SETTINGS`.

SETTINGS is a JSON file: `api` (URL), `ca` and `token` (files), `socket` (name of the API server's way out, with an @)
and `port` (health, Pod Identity).
"""

import json
import logging
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from localcloud.kubernetes import identity
from localcloud.kubernetes.api import Api, begin
from localcloud.kubernetes.controllers import local_port
from localcloud.kubernetes.egress import Proxy
from localcloud.kubernetes.identity import Clusters, Identities
from localcloud.kubernetes.nodes import NodeGroups
from localcloud.kubernetes.pods import Kubelet
from localcloud.kubernetes.policies import AccessPolicies
from localcloud.kubernetes.pools import Twins


class Handler(BaseHTTPRequestHandler):
    """Health, and Pod Identity's agent."""

    identities: Identities

    def do_GET(self) -> None:
        status, body = 404, b"{}"
        if self.path == "/health":
            status = 200
        elif self.path == identity.PATH:
            status, body = self.identities.answer(self.headers.get("Authorization", ""))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the health is asked for all the time."""


def main(file: Path) -> None:
    """Serve until the process is ended; what Pods run is ended by who ends it, or by the next one."""
    settings = json.loads(file.read_text())
    api = Api(settings["api"], Path(settings["ca"]), Path(settings["token"]))
    clusters = Clusters(settings["api"])
    Handler.identities = Identities(clusters, settings["port"])
    begin("egress", Proxy(settings["socket"], api, local_port).serve_forever)
    begin("node groups", NodeGroups(api, clusters).keep)
    begin("access policies", AccessPolicies(api).keep)
    Twins(api).begin()
    Kubelet(api, Handler.identities).begin()
    ThreadingHTTPServer(("127.0.0.1", settings["port"]), Handler).serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s: %(message)s")
    main(Path(sys.argv[1]))

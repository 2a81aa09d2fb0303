"""How a Pulumi plugin serves the engine that started it."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

LARGE = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]


def serve(add_to_server: Callable[[Any, grpc.Server], None], servicer: Any) -> NoReturn:
    """Print the port, as the engine expects, and serve until the engine interrupts or is gone (guards do the rest)."""
    engine = os.getppid()
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=LARGE)
    add_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while os.getppid() == engine:
        time.sleep(0.5)
    os._exit(1)

"""How a Pulumi plugin serves the engine that started it, and starts processes that can't outlive it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

LARGE = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]

# Becomes the command, beside a guard that ends the whole process group when its standard input closes.
GUARDED = 'exec 3<&0 </dev/null; { read _ <&3; kill -9 0; } >/dev/null 2>&1 & exec "$@" 3<&-'


def serve(add_to_server: Callable[[Any, grpc.Server], None], servicer: Any) -> NoReturn:
    """Print the port, as the engine expects, and serve until the engine interrupts or is gone."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=LARGE)
    add_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()  # the engine holds the other end and writes nothing
    os._exit(1)


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """Start `command` in a process group of its own that ends when this process does, be it by `kill -9`."""
    guarded = ["sh", "-c", GUARDED, "sh", *command]
    return subprocess.Popen(guarded, stdin=subprocess.PIPE, process_group=0, **options)


def stop(process: subprocess.Popen) -> None:
    """Kill what `start` started, children of children included."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:  # waits, and closes the pipes
        pass

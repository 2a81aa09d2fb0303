"""The Python host's use of Pulumi's Python toolchain, with a script in its place."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from localcloud.toolchain.language_python import PythonHost

TOOLCHAIN = """#!/bin/sh
head -c 200000 /dev/zero | tr '\\0' x >&2
yes é | head -c 9000 >&2
echo "no such package" >&2
echo made
exit {code}
"""


@pytest.mark.parametrize("code", [0, 1])
def test_a_toolchain_that_says_much_neither_hangs_nor_loses_its_error(tmp_path, code):
    toolchain = tmp_path / "toolchain"
    toolchain.write_text(TOOLCHAIN.replace("{code}", str(code)))
    toolchain.chmod(0o755)
    server = grpc.server(ThreadPoolExecutor(2))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost("", str(toolchain), ""), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    request = language_pb2.InstallDependenciesRequest()
    request.info.options["virtualenv"] = "venv"
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        lines = language_pb2_grpc.LanguageRuntimeStub(channel).InstallDependencies(request, timeout=30)
        assert next(lines).stdout == b"made\n"
        if code:
            with pytest.raises(grpc.RpcError) as caught:
                next(lines)
            assert caught.value.code() == grpc.StatusCode.UNKNOWN
            assert caught.value.details().endswith("no such package")
        else:
            assert list(lines) == []
    server.stop(None).wait()

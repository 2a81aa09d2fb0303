"""Downloads that go on where they broke off, through the proxies and with the certificates of this machine."""

import http.client
import os
import random
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, OpenerDirector, Request, build_opener

from tandem_contract.errors import TandemError

from localcloud import files

ATTEMPTS = 5
PAUSE_SECONDS = 0.5  # before the second attempt, doubled before each further one, with jitter
SILENT_SECONDS = 60
REPORT_SECONDS = 10.0
CHUNK = 1 << 20
BROKEN = (URLError, ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLError)
BUSY = {408, 416, 425, 429, 500, 502, 503, 504}
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")  # OpenSSL itself heeds SSL_CERT_FILE


def fetch(url: str, file: Path, other_ways: str, report: Callable[[str], None]) -> None:
    """Download `url` to `file`, which is there only when it is whole.

    What came before a download broke off stays beside it, and the next attempt, or the next call, asks for the rest
    only. Five attempts; proxies are those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the certificates of
    REQUESTS_CA_BUNDLE and AWS_CA_BUNDLE count beside the system's. Raises TandemError, with `other_ways` to come to it.
    """
    partial, opener = file.with_name(f"{file.name}.partial"), _opener()
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            pause = PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            report(f"{problem}; trying again in {pause:.1f} s")
            time.sleep(pause)
        try:
            _go_on(opener, url, partial, other_ways, report)
        except HTTPError as error:
            error.close()
            problem = f"{url} answers {error.code} {error.reason}"
            if error.code == 416:  # what we have isn't a beginning of what is there
                partial.unlink(missing_ok=True)
            if error.code not in BUSY:
                raise TandemError(f"{problem}: {other_ways}.") from None
        except BROKEN as error:
            reason = error.reason if isinstance(error, URLError) else error
            problem = f"{url}: {reason}"
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise TandemError(f"{problem}: name the file of your proxy's certificates in SSL_CERT_FILE.") from None
        else:
            partial.replace(file)
            return
    kept = f", which goes on after {partial.stat().st_size / 1e6:.0f} MB" if partial.exists() else ""
    raise TandemError(f"{problem}, {ATTEMPTS} times: try again{kept}, or {other_ways}.")


def _go_on(opener: OpenerDirector, url: str, partial: Path, other_ways: str, report: Callable[[str], None]) -> None:
    offset = partial.stat().st_size if partial.exists() else 0
    request = Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})  # noqa: S310 - the caller's own
    with opener.open(request, timeout=SILENT_SECONDS) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise TandemError(
                f"{url} answers with a web page in place of the file, as a proxy's log-in page is one: log in there, "
                f"correct HTTPS_PROXY or NO_PROXY, or {other_ways}."
            )
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        if offset and not goes_on:
            report("the server can't go on where the download broke off; it starts anew")
        came = offset = offset if goes_on else 0
        total = offset + int(answer.headers.get("Content-Length", 0))
        files.require_space(partial.parent, total - offset, f"downloading {partial.stem}")
        started = due = time.monotonic()
        with partial.open("ab" if goes_on else "wb") as output:
            while chunk := answer.read(CHUNK):
                came += output.write(chunk)
                if (now := time.monotonic()) >= due or came == total:
                    due, rate = now + REPORT_SECONDS, (came - offset) / 1e6 / max(now - started, 0.001)
                    report(f"{came / 1e6:.0f} of {total / 1e6:.0f} MB, {rate:.1f} MB/s")
        if came < total:
            raise ConnectionError(f"{came} of {total} bytes came")


def _opener() -> OpenerDirector:
    trusted = ssl.create_default_context()
    for name in CERTIFICATES:
        if bundle := os.environ.get(name):
            try:
                trusted.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
            except OSError as error:
                raise TandemError(
                    f"{name}={bundle!r} holds no certificates ({error}): correct it, or unset it."
                ) from None
    return build_opener(HTTPSHandler(context=trusted))

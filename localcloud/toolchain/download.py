"""Downloads that go on where they broke off, through the proxies and with the certificates of this machine."""

import http.client
import random
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import OpenerDirector, Request

from tandem_contract.errors import TandemError

from localcloud import files, network

ATTEMPTS = 5
PAUSE_SECONDS = 0.5  # before the second attempt, doubled before each further one, with jitter
SILENT_SECONDS = 60
REPORT_SECONDS = 10.0
CHUNK = 1 << 20
MOST_BYTES = 10**9  # of a file, whatever the server says: several times the largest
BROKEN = (URLError, ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLError)
BUSY = {408, 416, 425, 429, 500, 502, 503, 504}


def fetch(url: str, file: Path, other_ways: str, report: Callable[[str], None]) -> None:
    """Download `url` to `file`, which is there only when it is whole.

    What came before a download broke off stays beside it, and the next attempt, or the next call, asks for the rest
    only. Five attempts in which nothing new comes. Raises TandemError, with `other_ways` to come to it.
    """
    partial, opener = file.with_name(f"{file.name}.partial"), network.opener()
    problem, failed, most = "", 0, _size(partial)
    while failed < ATTEMPTS:
        if failed:
            pause = PAUSE_SECONDS * 2 ** (failed - 1) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            report(f"{problem}; trying again in {pause:.1f} s")
            time.sleep(pause)
        try:
            _go_on(opener, url, partial, other_ways, report)
        except HTTPError as error:
            error.close()
            problem = f"{url} answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
            if error.code == 416:  # what we have isn't a beginning of what is there
                partial.unlink(missing_ok=True)
            if error.code not in BUSY:
                raise TandemError(f"{problem}: {other_ways}.") from None
        except (ValueError, http.client.InvalidURL):  # whose text may have a proxy's password in it
            where = f"{url}, what it redirects to, or the proxy's in HTTPS_PROXY or HTTP_PROXY"
            raise TandemError(f"{where}, is no valid URL: correct it, or {other_ways}.") from None
        except BROKEN as error:
            reason = error.reason if isinstance(error, URLError) else error
            problem = f"{url}: {reason}"
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise TandemError(f"{problem}: name the file of your proxy's certificates in SSL_CERT_FILE.") from None
        else:
            partial.replace(file)
            return
        failed, most = (1, _size(partial)) if _size(partial) > most else (failed + 1, most)
    kept = f", which goes on after {_size(partial) / 1e6:.0f} MB" if partial.exists() else ""
    raise TandemError(f"{problem}, {ATTEMPTS} times: try again{kept}, or {other_ways}.")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _go_on(opener: OpenerDirector, url: str, partial: Path, other_ways: str, report: Callable[[str], None]) -> None:
    offset = _size(partial)
    request = Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})  # noqa: S310 - the caller's own
    with opener.open(request, timeout=SILENT_SECONDS) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise TandemError(
                f"{url} answers with a web page in place of the file, as a proxy's log-in page is one: log in there, "
                f"correct HTTPS_PROXY or NO_PROXY, or {other_ways}."
            )
        rest = re.fullmatch(rf"bytes {offset}-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        rest = rest if offset and answer.status == 206 else None
        if answer.status != 200 and not rest:
            partial.unlink(missing_ok=True)
            raise http.client.HTTPException(f"what it answers ({answer.status}) isn't the file, nor the rest of it")
        if offset and not rest:
            report("the server can't go on where the download broke off; it starts anew")
        came = offset = offset if rest else 0
        total = int(rest[1]) if rest else answer.length  # None where the server doesn't say
        end, of_total = (MOST_BYTES + 1, "") if total is None else (total, f" of {total / 1e6:.0f}")
        too_large = f"{url} is larger than {MOST_BYTES / 1e9:.0f} GB, and so isn't the file: {other_ways}."
        if (total or 0) > MOST_BYTES:
            raise TandemError(too_large)
        files.require_space(partial.parent, (total or 0) - offset, f"downloading {partial.stem}")
        started = due = time.monotonic()
        with partial.open("ab" if rest else "wb") as output:
            while came < end and (chunk := answer.read1(min(CHUNK, end - came))):
                came += output.write(chunk)
                if (now := time.monotonic()) >= due or came == total:
                    due, rate = now + REPORT_SECONDS, (came - offset) / 1e6 / max(now - started, 0.001)
                    report(f"{came / 1e6:.0f}{of_total} MB, {rate:.1f} MB/s")
        if came > MOST_BYTES:
            partial.unlink()
            raise TandemError(too_large)
        if came < (total or 0):
            raise ConnectionError(f"{came} of {total} bytes came")

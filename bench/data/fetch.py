"""Source files by pinned URL and SHA-256: from a folder that the user names, the cache, or the network.

Downloading is pooch's work: a file appears under its name when it is whole and its SHA-256 right, and what came whole
is not fetched again. This module adds what a benchmark on an offline machine needs: a bounded wait for the first
answer, one sentence on what went wrong, and a memory of a failed attempt so that ``--dataset auto`` does not wait again
on every command.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.system import paths

ANSWER_TIMEOUT_S = 8.0
"""How long a download may take to give its first answer; the promise to the user is 10 s in all."""
FEW_FILES, SAID_EVERY = 20, 50
"""Beyond the first number of files, progress is a line for so many of them."""
RETRY_AFTER_S = 3600.0
"""After a failed attempt, ``auto`` looks at the network again no sooner than this."""


@dataclass(frozen=True)
class Source:
    """Files of one data set at a pinned public address.

    Attributes:
        name: folder name under ``BENCH_DATA_DIR`` and the cache.
        base_url: address that relative paths are appended to; pins a commit.
        sha256: relative path to SHA-256 of its content.
        dataset: data set that is made of it; empty where it has the name of the folder.
    """

    name: str
    base_url: str
    sha256: Mapping[str, str]
    dataset: str = ""

    @property
    def command(self) -> str:
        """What fetches the files."""
        return f"bench data fetch {self.dataset or self.name}"


@dataclass(frozen=True)
class Location:
    """Where the files of a source are, or why they are not at hand."""

    folder: Path | None
    reason: str


def locate(source: Source) -> Location:
    """Looks for all files of a source without touching the network.

    Raises:
        BenchError: ``BENCH_DATA_DIR`` is unusable, or holds the folder but a file in it is missing.
    """
    supplied = paths.data_dir()
    if supplied is not None and (supplied / source.name).is_dir():
        folder = supplied / source.name
        try:
            missing = [name for name in source.sha256 if not (folder / name).is_file()]
        except PermissionError as error:
            raise BenchError(
                f"{error.filename} may not be read; grant read permission on it or unset BENCH_DATA_DIR."
            ) from error
        if missing:
            raise BenchError(
                f"BENCH_DATA_DIR holds {source.name}/ but not {source.name}/{missing[0]}; complete the folder or "
                "unset BENCH_DATA_DIR."
            )
        return Location(folder, "given by BENCH_DATA_DIR")
    folder = paths.cache_dir() / "downloads" / source.name
    if all((folder / name).is_file() for name in source.sha256):
        return Location(folder, "downloaded before")
    return Location(None, "not in the cache and not given by BENCH_DATA_DIR")


def verify_file(path: Path, sha256: str) -> None:
    """Checks one file's content.

    Raises:
        BenchError: the file is missing, unreadable, or its SHA-256 differs (truncated or another version).
    """
    try:
        with path.open("rb") as stream:
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BenchError(f"Data file {path} is missing; run `bench data fetch` or correct BENCH_DATA_DIR.") from error
    except PermissionError as error:
        raise BenchError(f"Data file {path} may not be read; grant read permission on it.") from error
    if actual != sha256:
        raise BenchError(
            f"Data file {path} has SHA-256 {actual[:12]}… instead of {sha256[:12]}… ({path.stat().st_size} bytes): "
            "it is truncated or "
            "another version; delete it and run `bench data fetch`."
        )


def download(source: Source, *, progress: bool = False, say: Callable[[str], None] = lambda _: None) -> Path:
    """Downloads what is missing into the cache and checks it.

    Args:
        source: what to fetch.
        progress: show pooch's progress bar of each of few files (needs tqdm; silently plain without it).
        say: is told now and then how many of many files there are.

    Returns:
        The folder that holds the files.

    Raises:
        BenchError: no answer within ``ANSWER_TIMEOUT_S``, no connection, a broken transfer, or a wrong SHA-256.
    """
    import pooch
    import requests

    folder = paths.cache_dir() / "downloads" / source.name
    first = next(iter(source.sha256))
    obstacle = _obstacle(source.base_url + first)
    if obstacle is not None:
        _remember_failure(source, obstacle)
        raise BenchError(f"{obstacle}; check the network, or {_by_hand(source)}.")
    few = len(source.sha256) <= FEW_FILES
    bar = progress and few and importlib.util.find_spec("tqdm") is not None
    downloader = pooch.HTTPDownloader(timeout=ANSWER_TIMEOUT_S, progressbar=bar)
    registry = {name: f"sha256:{digest}" for name, digest in source.sha256.items()}
    fetcher = pooch.create(path=folder, base_url=source.base_url, registry=registry, retry_if_failed=1)
    pooch.get_logger().setLevel("WARNING")  # else it has a line for each of hundreds of files
    for count, name in enumerate(source.sha256):
        if not few and count % SAID_EVERY == 0:
            say(f"{source.name}: {count} of {len(source.sha256)} files")
        try:
            fetcher.fetch(name, downloader=downloader)
        except (requests.RequestException, ValueError, OSError) as error:
            _remember_failure(source, "A broken download")
            what, advice = _broken(error, source)
            raise BenchError(f"Download of {name} from {_host(source.base_url)} failed: {what}; {advice}.") from error
    _failure_note(source).unlink(missing_ok=True)
    return folder


def recent_failure(source: Source) -> str | None:
    """Says when a download last failed, if that was within ``RETRY_AFTER_S``."""
    note = _failure_note(source)
    try:
        found = json.loads(note.read_text())
        age, reason = time.time() - float(found["time"]), str(found["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the note is a convenience: without a readable one the network is simply tried
    if not 0 <= age < RETRY_AFTER_S:
        return None
    return f"{reason[:1].lower()}{reason[1:]} {age / 60:.0f} min ago; `{source.command}` tries again"


def _broken(error: Exception, source: Source) -> tuple[str, str]:
    """What broke a download, and what to do about it, both as parts of a sentence."""
    import requests

    again = f"run `{source.command}` again, what came whole is kept"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}", f"the address may have moved: {_by_hand(source)}"
    if isinstance(error, requests.TooManyRedirects):
        return "it is redirected in a circle", f"the address may have moved: {_by_hand(source)}"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no more data for {ANSWER_TIMEOUT_S:.0f} s", again
    if isinstance(error, requests.RequestException):
        return "the connection broke off", again
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}", f"make room or give write permission there, then {again}"
    return (  # a ValueError of pooch's
        "what came has another SHA-256 than the pinned file",
        f"it was removed; another version stands there, or the network changed it: {_by_hand(source)}",
    )


def _by_hand(source: Source) -> str:
    return f"put the files of {source.name} into a folder {source.name}/ and name its parent in BENCH_DATA_DIR"


def _host(url: str) -> str:
    return url.split("/")[2]


def _obstacle(url: str) -> str | None:
    """Why a request gets no usable answer, as a sentence without its end, or None if it gets one.

    In a thread, because name resolution ignores socket timeouts.
    """
    import requests

    host = _host(url)
    found: list[str | None] = [f"No answer within {ANSWER_TIMEOUT_S:.0f} s from {host}"]

    def ask() -> None:
        try:
            response = requests.head(url, timeout=ANSWER_TIMEOUT_S, allow_redirects=True)
        except requests.Timeout:
            return
        except requests.exceptions.SSLError:
            found[0] = f"No trusted connection to {host}"
        except requests.ConnectionError as error:
            is_name = any(word in str(error) for word in ("NameResolution", "getaddrinfo", "Name or service"))
            found[0] = f"No address for {host}" if is_name else f"No connection to {host}"
        except requests.RequestException as error:
            found[0] = f"No answer from {host} ({type(error).__name__})"
        else:
            found[0] = (
                f"Only an error from {host} (HTTP {response.status_code})" if response.status_code >= 500 else None
            )

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_TIMEOUT_S)
    return found[0]


def _failure_note(source: Source) -> Path:
    return paths.cache_dir() / "downloads" / f"{source.name}.failed.json"


def _remember_failure(source: Source, reason: str) -> None:
    note = _failure_note(source)
    with contextlib.suppress(OSError):  # a convenience: without the note the network is simply tried again
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"time": time.time(), "reason": reason}))

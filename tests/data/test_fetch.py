from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from bench.data import datasets, fetch
from bench.errors import BenchError

CONTENT = b"GPP" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_DATA_DIR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.bin").write_bytes(CONTENT)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@pytest.fixture
def silent_address() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_a_download_is_checked_and_kept(own_cache: Path, server: str) -> None:
    source = fetch.Source("toy", server, {"sub/a.bin": SHA})
    folder = fetch.download(source)
    assert (folder / "sub" / "a.bin").read_bytes() == CONTENT
    assert fetch.locate(source) == fetch.Location(folder, "downloaded before")


def test_a_wrong_hash_is_refused_and_nothing_is_kept(own_cache: Path, server: str) -> None:
    source = fetch.Source("toy", server, {"sub/a.bin": "0" * 64})
    with pytest.raises(BenchError, match="failed: what came has another SHA-256 than the pinned file; it was removed"):
        fetch.download(source)
    assert fetch.locate(source).folder is None and kept(own_cache) == []


def kept(cache: Path) -> list[str]:
    """Files of a cache, but for the note on a failure."""
    files = (path.relative_to(cache / "downloads") for path in cache.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if not path.name.endswith(".failed.json"))


class _Bad(http.server.BaseHTTPRequestHandler):
    """What the first folder of an address names is what goes wrong with it."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "missing":
            return self.send_error(404)
        if kind == "broken":
            return self.send_error(502)
        if kind in ("moved", "circle"):
            self.send_response(302)
            self.send_header("Location", "/good/a.bin" if kind == "moved" else self.path)
            return self.end_headers()
        self.send_response(200)
        if kind != "unnamed":  # a transfer without a length ends where the connection does
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = kind in ("truncated", "unnamed", "stalled") and not self.path.endswith("b.bin")
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if half else CONTENT)
        if kind == "stalled":
            self.wfile.flush()
            time.sleep(1.5)
        return None

    def log_message(self, *_: object) -> None:
        """Keeps silent."""


@pytest.fixture
def bad_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fetch, "ANSWER_TIMEOUT_S", 0.5)
    _Bad.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Bad) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "HTTP 404; the address may have moved: put the files of toy into a folder toy/"),
        ("broken", "HTTP 502"),
        ("circle", "it is redirected in a circle; the address may have moved"),
        ("truncated", "the connection broke off; run `bench data fetch towers` again, what came whole is kept"),
        ("unnamed", "what came has another SHA-256 than the pinned file; it was removed"),
        ("stalled", "no more data for 0 s; run `bench data fetch towers` again"),
    ],
)
def test_a_broken_download_is_one_sentence_and_leaves_nothing_half_written(
    own_cache: Path, bad_server: str, kind: str, said: str
) -> None:
    source = fetch.Source("toy", f"{bad_server}{kind}/", {"a.bin": SHA}, "towers")
    with pytest.raises(BenchError) as caught:
        fetch.download(source)
    sentence = str(caught.value)
    assert said in sentence and sentence.startswith("Download of a.bin from 127.0.0.1:") and "\n" not in sentence
    assert sentence.endswith(".") and ". " not in sentence
    assert kept(own_cache) == [] and fetch.locate(source).folder is None


def test_a_redirect_is_followed(own_cache: Path, bad_server: str) -> None:
    folder = fetch.download(fetch.Source("toy", f"{bad_server}moved/", {"a.bin": SHA}))
    assert (folder / "a.bin").read_bytes() == CONTENT


def test_what_came_whole_is_kept_and_not_fetched_again(own_cache: Path, bad_server: str) -> None:
    files = {"b.bin": SHA, "sub/a.bin": SHA}
    with pytest.raises(BenchError, match="Download of sub/a.bin"):
        fetch.download(fetch.Source("toy", f"{bad_server}truncated/", files))
    assert kept(own_cache) == ["toy/b.bin"]
    _Bad.asked.clear()
    folder = fetch.download(fetch.Source("toy", f"{bad_server}good/", files))
    assert _Bad.asked == ["/good/sub/a.bin"] and (folder / "sub" / "a.bin").read_bytes() == CONTENT


def test_many_files_are_a_line_now_and_then(
    own_cache: Path, bad_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = fetch.Source("toy", f"{bad_server}good/", {f"{number}.bin": SHA for number in range(60)})
    said: list[str] = []
    fetch.download(source, progress=True, say=said.append)
    assert said == ["toy: 0 of 60 files", "toy: 50 of 60 files"]
    assert capsys.readouterr() == ("", "")


def test_a_folder_that_takes_no_file_is_named(
    own_cache: Path, bad_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(own_cache))

    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(BenchError, match=r"failed: No space left on device \(.*\); make room"):
        fetch.download(fetch.Source("toy", f"{bad_server}good/", {"a.bin": SHA}))
    assert kept(own_cache) == []


def test_a_server_that_never_answers_is_given_up_within_10_seconds(own_cache: Path, silent_address: str) -> None:
    source = fetch.Source("toy", silent_address, {"a.bin": SHA})
    start = time.monotonic()
    with pytest.raises(BenchError, match="No answer within 8 s from 127.0.0.1"):
        fetch.download(source)
    assert fetch.ANSWER_TIMEOUT_S <= time.monotonic() - start < 10
    assert "no answer within 8 s from 127.0.0.1" in (fetch.recent_failure(source) or "")


class _Broken(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(503)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:9/", "No connection to 127.0.0.1:9"),
        ("http://no.such.name.invalid/", "No address for no.such.name.invalid"),
        ("http://127.0.0.1:0x50/", r"No answer from 127.0.0.1:0x50 \(\w+\)"),
        ("nonsense://somewhere/", r"No answer from somewhere \(InvalidSchema\)"),
        ("broken", r"Only an error from 127.0.0.1:\d+ \(HTTP 503\)"),
    ],
)
def test_what_fails_at_once_is_not_called_late(own_cache: Path, address: str, said: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        if address == "broken":
            address = f"http://127.0.0.1:{httpd.server_port}/"
        source = fetch.Source("toy", address, {"a.bin": SHA})
        start = time.monotonic()
        with pytest.raises(BenchError, match=said):
            fetch.download(source)
        assert time.monotonic() - start < fetch.ANSWER_TIMEOUT_S / 2
        assert "within" not in (fetch.recent_failure(source) or "within")
        httpd.shutdown()


def test_auto_says_what_it_uses_instead_and_does_not_try_again_at_once(
    own_cache: Path, silent_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.data import northchina

    monkeypatch.setattr(
        northchina, "SOURCE", fetch.Source("northchina", silent_address, dict(northchina.SOURCE.sha256))
    )
    said: list[str] = []
    start = time.monotonic()
    location = datasets._choose_auto(said.append)
    assert time.monotonic() - start < 10
    assert location.folder is None and "No answer" in location.reason
    assert "trying to download" in said[0]
    start = time.monotonic()
    assert "no answer within 8 s from" in datasets._choose_auto(said.append).reason
    assert time.monotonic() - start < 0.5


def test_bench_data_dir_wins_and_must_be_complete(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fetch.Source("toy", "http://127.0.0.1:9/", {"sub/a.bin": SHA})
    supplied = tmp_path / "supplied"
    (supplied / "toy" / "sub").mkdir(parents=True)
    monkeypatch.setenv("BENCH_DATA_DIR", str(supplied))
    with pytest.raises(BenchError, match="holds toy/ but not toy/sub/a.bin"):
        fetch.locate(source)
    (supplied / "toy" / "sub" / "a.bin").write_bytes(CONTENT)
    assert fetch.locate(source).folder == supplied / "toy"


def test_bench_data_dir_must_be_a_readable_folder(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fetch.Source("toy", "http://127.0.0.1:9/", {"a.bin": SHA})
    monkeypatch.setenv("BENCH_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(BenchError, match="which is no folder"):
        fetch.locate(source)
    monkeypatch.setenv("BENCH_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(BenchError, match="may not be read; grant read permission"):
        fetch.locate(source)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("northchino", "did you mean 'northchina'"),
        ("simulated:cell=3", "Unknown option of data set 'simulated' 'cell': did you mean 'cells'"),
        ("simulated:cells=many", "not a whole number"),
        ("northchina:cells=3", "takes no options"),
    ],
)
def test_bad_data_set_texts_are_named(spec: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        datasets.parse_spec(spec)


def test_a_folder_that_holds_a_cube_is_a_data_set(tmp_path: Path, cube: datasets.Cube) -> None:
    from bench.data.cube_zarr import write_cube

    write_cube(tmp_path / "mine.zarr", cube)
    opened = datasets.open_dataset(str(tmp_path / "mine.zarr"))
    assert opened.cube.fingerprint == cube.fingerprint

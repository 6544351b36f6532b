"""``python -m tools.fuzz``: damages files at random, reads them as the commands do, and counts what happens.

Each reading is a process of its own, so that a crash or a hang is seen and counted. Anything but a refusal in a
sentence (`BenchError`) or an unharmed reading is a failure: another exception, a crash, a hang, a change outside.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import click

from bench.errors import BenchError
from bench.system.untrusted import remove_tree
from tools.fuzz.mutations import mutate
from tools.fuzz.targets import TARGETS, Target, make_pristine

HANG_S = 20
FAILURES = ("traceback", "crash", "hang", "outside")


@click.command()
@click.option("--mutations", default=2500, show_default=True, help="Over all kinds of files.")
@click.option("--seed", default=0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=None, help="JSON file for the counts.")
def main(mutations: int, seed: int, output: Path | None) -> None:
    """Prints counts by kind of file; exit code 1 where something failed."""
    counts, failures = fuzz(mutations, seed)
    text = json.dumps({"mutations": mutations, "seed": seed, "counts": counts, "failures": failures}, indent=1)
    if output is not None:
        output.write_text(text + "\n")
    click.echo(text)
    sys.exit(1 if failures else 0)


def fuzz(mutations: int, seed: int) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Counts by kind of file and outcome, and a line for each failure.

    Args:
        mutations: over all kinds of files.
        seed: of the choices; mutation i of a seed is always the same.
    """
    counts: dict[str, Counter[str]] = {target.name: Counter() for target in TARGETS}
    failures = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ["BENCH_CACHE_DIR"] = str(root / "cache")
        make_pristine(root / "pristine")
        for number in range(mutations):
            target = TARGETS[number % len(TARGETS)]
            outcome, what = _try(target, root, random.Random(f"{seed}-{number}"))
            counts[target.name][outcome] += 1
            if outcome in FAILURES:
                failures.append(f"{target.name} {seed}-{number}: {outcome}: {what}")
    return {name: dict(found) for name, found in counts.items()}, failures


def _try(target: Target, root: Path, generator: random.Random) -> tuple[str, str]:
    """Damages a fresh copy, reads it, and says how that ended."""
    inside, outside = root / "inside", root / "outside"
    for folder in (inside, outside):
        remove_tree(folder)
    shutil.copytree(root / "pristine", inside)
    outside.mkdir()
    (outside / "precious").write_text("years of work")
    path = generator.choice(sorted(item for item in inside.glob(target.files) if item.is_file()))
    what = f"{path.relative_to(inside)}: {mutate(path, outside, generator)}"
    if target.heals and path.is_file():
        _put_hash_right(path)
    before = _listing(root, outside)
    outcome, said = _in_a_process(target, inside)
    if _listing(root, outside) != before:
        return "outside", what
    return outcome, f"{what}: {said}"


def _in_a_process(target: Target, inside: Path) -> tuple[str, str]:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        signal.alarm(HANG_S)
        try:
            target.read(inside)
            said = "accepted\n"
        except BenchError as error:
            said = f"refused\n{error}"
        except BaseException:  # noqa: BLE001 - counted
            said = f"traceback\n{traceback.format_exc()}"
        os.write(
            writing,
            said.encode(errors="backslashreplace")[-4000:] if said[0] == "t" else said.encode(errors="replace")[:4000],
        )
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode(errors="replace")
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return ("hang" if os.WTERMSIG(status) == signal.SIGALRM else "crash"), f"signal {os.WTERMSIG(status)}"
    outcome, _, rest = said.partition("\n")
    return (outcome, rest) if outcome in ("accepted", "refused") else ("traceback", said)


def _put_hash_right(path: Path) -> None:
    from bench.system.disk import sha256

    description = path.with_name("dataset.json")
    if path.is_symlink() or path.stat().st_size > 1 << 30:
        return
    content = json.loads(description.read_bytes())
    content["files"][path.name] = sha256(path)
    description.write_text(json.dumps(content))


def _listing(root: Path, outside: Path) -> dict[str, tuple[int, int]]:
    """Everything outside the folder that was read, with sizes and times; the cache may gain seals."""
    found = {str(item): (item.lstat().st_size, item.lstat().st_mtime_ns) for item in outside.rglob("*")}
    return found | {str(item): (0, 0) for item in root.iterdir() if item.name != "cache"}


if __name__ == "__main__":
    main()

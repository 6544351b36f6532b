#!/usr/bin/env bash
# From a bare machine to the tables: virtual environment, install, every suite, report. Re-running it resumes.
#
#   ./run_all.sh                     both suites, laptop profile, best data at hand, tables and report.html in runs/report
#   ./run_all.sh --profile smoke     the same in a few minutes
#   ./run_all.sh --test              set up and pass the tests; --test --all: the long ones too, as every push of main must
#   ./run_all.sh --dataset simulated --jobs 1        further words go to `bench run` of both suites
#
# Environment: BENCH_VENV (default .venv), BENCH_STORE (default runs), BENCH_DATA_DIR, BENCH_CACHE_DIR, PYTHON (default python3.11, python3).
set -euo pipefail
cd "$(dirname "$0")"

venv=${BENCH_VENV:-.venv}
export BENCH_STORE=${BENCH_STORE:-runs}
started=$SECONDS

stage() { printf '\n== %s (%d s since the start)\n' "$1" "$((SECONDS - started))"; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "run_all.sh: needs Python 3.11, 3.12 or 3.13; install it or name it in PYTHON." >&2
    exit 2
}

install() {
    # The stamp holds what was installed, so that a second run with unchanged requirements skips this stage.
    local stamp="$venv/.bench-installed" wanted
    wanted=$(cat pyproject.toml constraints.txt | sha256sum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    local python
    python=$(find_python)
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    # Several minutes and gigabytes: pip names each package as it comes.
    "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt --editable '.[runners,build,ray,test,docs]'
    echo "$wanted" >"$stamp"
}

run_tests() {
    stage "lint, types"
    "$venv/bin/ruff" check .
    "$venv/bin/ruff" format --check .
    "$venv/bin/mypy"
    stage "tests"
    # Each process has one numeric thread. Four on two cores, since many tests wait for the processes that they start.
    # Those that measure time or memory run alone afterwards.
    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
    unset PYTHONDONTWRITEBYTECODE # the tests start hundreds of processes, which need not compile what the last one did
    local short=" and not long"
    [ "${1:-}" = "--all" ] && short=""
    "$venv/bin/python" -m pytest --quiet --numprocesses "${BENCH_TEST_JOBS:-4}" --dist loadfile -m "not alone$short"
    "$venv/bin/python" -m pytest --quiet -m "alone$short"
    stage "done"
}

stage "install"
install
if [ "${1:-}" = "--test" ]; then
    run_tests "${2:-}"
    exit
fi

# `bench report` has to read the store that the suites write to.
words=("$@")
for ((index = 0; index < ${#words[@]}; index++)); do
    case ${words[index]} in
    --store) export BENCH_STORE=${words[index + 1]:?--store needs a folder} ;;
    --store=*) export BENCH_STORE=${words[index]#--store=} ;;
    esac
done

worst=0
for suite in full fewshot; do
    stage "suite $suite"
    # The few-shot suite has no tabular rows of its own: one is added for comparison.
    [ "$suite" = fewshot ] && more=(--with lightgbm) || more=()
    code=0
    "$venv/bin/bench" run --suite "$suite" "${more[@]}" "$@" || code=$?
    [ "$code" -eq 130 ] && exit 130 # interrupted: the same command resumes
    [ "$code" -gt "$worst" ] && worst=$code
done
stage "report"
if [ "$worst" -ne 0 ]; then echo "Some jobs failed: 'bench ls jobs' names them, 'bench info JOB' says why."; fi
"$venv/bin/bench" report --html --brief
exit "$worst"

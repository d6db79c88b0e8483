"""Printing that never raises: whatever takes the output, the work goes on and decides the exit status."""

import logging.config
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from prefens.core.output import guard_output
from prefens.runner.config import CONF_DIR

PROGRAM = r"""
import sys, time
from prefens.core.output import guard_output, reader_has_left
guard_output()
guard_output()
for _ in range(20_000):
    print("x \u00b1 \u597d")
print("y \u00b1 \u597d", file=sys.stderr)
sys.stdout.flush()
open(sys.argv[1], "w").write(str(reader_has_left()))
sys.exit(7)
"""


def run(shell: str, folder: Path, **environment: str) -> tuple[int, str, str, str]:
    """Run the program in a shell's line; return its exit status, what it wrote to a file, stdout and stderr."""
    line = "set -o pipefail; " + shell.format(program='"$PYTHON" -c "$PROGRAM" "$RESULT"')
    own = {"PYTHON": sys.executable, "PROGRAM": PROGRAM, "RESULT": str(folder / "result")}
    variables = {**os.environ, **own, **environment}
    done = subprocess.run(["bash", "-c", line], env=variables, capture_output=True, check=False)
    result = (folder / "result").read_text()
    return done.returncode, result, done.stdout.decode(), done.stderr.decode()


def test_a_closed_pipe_ends_quietly_with_the_status_of_the_work(tmp_path: Path) -> None:
    assert run("{program} 2>/dev/null | head -1", tmp_path) == (7, "True", "x ± 好\n", "")
    assert run("{program} 2>&1 | true", tmp_path)[:2] == (7, "True")


def test_a_full_disk_is_reported_once_and_costs_the_printed_lines_alone(tmp_path: Path) -> None:
    code, result, _, said = run("{program} >/dev/full", tmp_path)
    assert (code, result) == (7, "False")
    assert [line.partition(":")[0] for line in said.splitlines()] == ["standard output", "y ± 好"]
    assert run("{program} >/dev/full 2>/dev/full", tmp_path) == (7, "False", "", "")


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    assert run("{program} >&- 2>&-", tmp_path) == (7, "False", "", "")


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_character_that_the_encoding_lacks_is_escaped(tmp_path: Path, variables: dict[str, str]) -> None:
    code, _, printed, said = run("{program}", tmp_path, **variables)
    assert (code, printed.splitlines()[-1], said) == (7, r"x \xb1 \u597d", r"y \xb1 \u597d" + "\n")


INTERRUPTED = """
import signal, sys
from prefens.core.output import guard_output
guard_output()
signal.signal(signal.SIGALRM, lambda *_: print("signal", file=sys.stderr))
signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-4)
for _ in range(20_000):
    print("line", file=sys.stderr)
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_signal_handler_may_print_in_the_middle_of_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stderr.count("line") == 20_000


def test_a_pipe_that_takes_nothing_for_now_is_waited_for() -> None:
    """A terminal or pipe that another process has set to non-blocking."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    program = "from prefens.core.output import guard_output; guard_output(); print('x' * 1_000_000)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=writing) as process:
        os.close(writing)
        time.sleep(0.5)
        with os.fdopen(reading) as stream:
            assert len(stream.read()) == 1_000_001
    assert process.returncode == 0


def test_a_stream_that_is_not_the_interpreters_own_stays(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    guard_output()
    assert (sys.stdout, sys.stderr) == before


def test_logged_lines_have_no_control_characters() -> None:
    settings = yaml.safe_load((CONF_DIR / "hydra" / "job_logging" / "prefens.yaml").read_text())
    formatter = logging.config.DictConfigurator({}).configure_formatter(settings["formatters"]["plain"])
    record = logging.LogRecord("prefens", logging.INFO, "", 0, "member %s\nnext", ("\x1b]0;PWN\x07",), None)
    assert formatter.format(record)[8:] == " member \ufffd]0;PWN\ufffd\nnext"

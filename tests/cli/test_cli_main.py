"""The command `l1ad`: verbs on demand, messages and exit codes."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
import types
from typing import Annotated

import pytest
import typer

from l1ad import __version__
from l1ad.cli import main as cli
from l1ad.cli.main import VERBS, Verb, main
from l1ad.errors import CheckFailedError, ConfigurationError, ToolMissingError


@pytest.fixture(autouse=True)
def _level():
    """Give the logger of l1ad its level back."""
    logger = logging.getLogger("l1ad")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def verb(monkeypatch):
    """Return a function that puts a function in the place of the verb `try`."""

    def install(function) -> None:
        module = types.ModuleType("l1ad_test_verb")
        module.verb = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(VERBS, "try", Verb(module.__name__, "verb", "A verb of the test."))

    return install


def test_help_lists_every_verb(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in VERBS)
    stages = {"data", "train", "evaluate", "convert", "emulate", "synth", "report"}
    others = {"import-model", "run", "search", "export", "check", "compare", "doctor", "validate", "monitor"}
    assert stages | others == set(VERBS)


def test_help_without_arguments(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: l1ad ")


def test_help_imports_no_verb(verb, monkeypatch, capsys):
    monkeypatch.setitem(VERBS, "absent", Verb("l1ad.nowhere", "verb", "Its module does not exist."))
    assert main(["--help"]) == 0
    assert "Its module does not exist." in capsys.readouterr().out
    assert main(["absent"]) == cli.EXIT_BUG


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"l1ad {__version__}\n"


def test_a_verb_gets_its_options(verb, capsys):
    def run(config: str, epochs: Annotated[int, typer.Option()] = 3) -> int:
        typer.echo(f"{config} {epochs}")
        return 17

    verb(run)
    assert main(["try", "a.yaml", "--epochs", "5"]) == 0
    assert capsys.readouterr().out == "a.yaml 5\n"


def test_help_of_a_verb_stops_before_the_parameters(verb, capsys):
    def run(config: str) -> None:
        """Do this.

        And that.

        Parameters
        ----------
        config : str
            A file.
        """

    verb(run)
    assert main(["try", "--help"]) == 0
    text = capsys.readouterr().out
    assert "And that." in text
    assert "Parameters" not in text
    assert "----" not in text


def test_a_group_of_verbs(verb, capsys):
    group = typer.Typer(no_args_is_help=True)

    @group.command()
    def info() -> None:
        typer.echo("57 numbers")

    @group.command("import")
    def import_() -> None:
        typer.echo("imported")

    verb(group)
    assert main(["try", "info"]) == 0
    assert capsys.readouterr().out == "57 numbers\n"
    assert main(["try"]) == 0
    assert "import" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigurationError("a.yaml: no such file."), 2, "l1ad: a.yaml: no such file.\n"),
        (CheckFailedError("event 7 differs."), 1, "l1ad: event 7 differs.\n"),
        (ToolMissingError("g++ is missing."), 3, "l1ad: g++ is missing.\n"),
        (KeyboardInterrupt(), 130, "l1ad: interrupted; what was finished is kept.\n"),
        (OSError(errno.ENOSPC, "No space left on device", "x.h5"), 2, "l1ad: x.h5: no space left on the disk."),
        (PermissionError(errno.EACCES, "Permission denied", "x.h5"), 2, "l1ad: x.h5: Permission denied.\n"),
        (typer.Exit(1), 1, ""),
    ],
)
def test_errors_become_a_message_and_a_code(verb, capsys, error, code, message):
    def run() -> None:
        raise error

    verb(run)
    assert main(["try"]) == code
    written = capsys.readouterr()
    assert written.err.startswith(message)
    assert "Traceback" not in written.err
    assert written.out == ""


def test_an_error_that_nobody_foresaw_shows_where(verb, capsys):
    def run() -> None:
        raise ZeroDivisionError("division by zero")

    verb(run)
    assert main(["try"]) == 70
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.rstrip().splitlines()[-1].startswith("l1ad: this is a bug in l1ad.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "Did you mean 'run'"),
        (["--nonsense"], "--nonsense"),
        (["try"], "Missing argument"),
        (["try", "a.yaml", "--epochs", "many"], "--epochs"),
    ],
)
def test_wrong_usage(verb, capsys, arguments, message):
    def run(config: str, epochs: Annotated[int, typer.Option()] = 3) -> None:
        """Never reached."""

    verb(run)
    assert main(arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert "--help`" in text


@pytest.mark.parametrize(
    ("option", "level"),
    [([], logging.WARNING), (["-v"], logging.INFO), (["-vv"], logging.DEBUG), (["--quiet"], logging.ERROR)],
)
def test_options_set_the_level_of_the_log(verb, option, level):
    verb(lambda: None)
    assert main([*option, "try"]) == 0
    assert logging.getLogger("l1ad").level == level


def test_python_m():
    done = subprocess.run([sys.executable, "-m", "l1ad", "runn"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("l1ad: No such command 'runn'.")

"""The command `l1ad`: finds the verb, imports its module only then, and turns errors into exit codes."""

from __future__ import annotations

import errno
import importlib
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from l1ad import __version__
from l1ad.errors import L1adError

#: Exit code of an error that l1ad did not foresee (EX_SOFTWARE of sysexits.h).
EXIT_BUG = 70
#: Exit code after Ctrl-C: 128 + SIGINT.
EXIT_INTERRUPTED = 130


class Verb(NamedTuple):
    """Where a verb lives; its module is imported when the verb is used."""

    module: str
    attribute: str
    help: str


VERBS = {
    "run": Verb("l1ad.cli.run", "run", "All stages, from events to the report; resumes."),
    "data": Verb("l1ad.cli.data", "app", "Generate, import, check and split events."),
    "import-model": Verb("l1ad.cli.import_model", "import_model", "Take a model that QKeras or Keras saved."),
    "train": Verb("l1ad.cli.train", "train", "Train the model of a configuration."),
    "search": Verb("l1ad.cli.search", "search", "Search sizes and bits: the best score at the least logic."),
    "evaluate": Verb("l1ad.cli.evaluate", "evaluate", "ROC curves, thresholds and trigger rates of a run."),
    "convert": Verb("l1ad.cli.convert", "convert", "Write the firmware projects of a run."),
    "emulate": Verb("l1ad.cli.emulate", "emulate", "Simulate the firmware and compare every integer with Keras."),
    "export": Verb("l1ad.cli.export", "app", "Write a reference model, test vectors, or an emulator for CMSSW."),
    "synth": Verb("l1ad.cli.synth", "synth", "Estimate resources and timing, and hold them against the budget."),
    "check": Verb("l1ad.cli.check", "check", "Hold a run and the reports of its tools against a budget."),
    "validate": Verb("l1ad.cli.validate", "app", "Compare samples: reference and data, float and firmware."),
    "monitor": Verb("l1ad.cli.monitor", "monitor", "Test batches of data against a stored null."),
    "report": Verb("l1ad.cli.report", "report", "Write the HTML page and the JSON of a run."),
    "compare": Verb("l1ad.cli.compare", "compare", "Hold runs against a baseline: physics, resources, what changed."),
    "doctor": Verb("l1ad.cli.doctor", "doctor", "Which tools and libraries are present, and how to get the rest."),
}


class LazyGroup(TyperGroup):
    """A group that lists its verbs from `VERBS` and imports the module of the one that is used."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, verb in VERBS.items():
            self.add_command(TyperCommand(name, help=verb.help, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of the verb, its command with its own options, and the arguments left."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_verb(name) if name in VERBS else command, rest

    def invoke(self, ctx: Any) -> None:
        """Run the verb; what it returns is for callers in Python, not an exit code."""
        super().invoke(ctx)


app = typer.Typer(cls=LazyGroup, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=True)


def load_verb(name: str) -> Any:
    """Import the module of the verb `name` and return its command.

    Parameters
    ----------
    name : str
        A key of `VERBS`.
    """
    verb = VERBS[name]
    target = getattr(importlib.import_module(verb.module), verb.attribute)
    if isinstance(target, typer.Typer):
        target.rich_markup_mode = None
        command: Any = typer.main.get_group(target)
        command.help = command.help or verb.help
    else:
        single = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
        single.command(name, help=_prose(target) or verb.help)(target)
        command = typer.main.get_command(single)
    command.name = name
    return command


def _prose(function: Any) -> str:
    """Return the docstring of `function` up to its first numpydoc section."""
    lines = (inspect.getdoc(function) or "").splitlines()
    for number, line in enumerate(lines):
        if number and line and not line.strip("-"):
            lines = lines[: number - 1]
            break
    return "\n".join(lines).strip()


def _show_version(wanted: bool) -> None:
    """Print the version and leave, when `wanted`."""
    if wanted:
        typer.echo(f"l1ad {__version__}")
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, show_default=False, help="Log what is done; -vv: in detail."),
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Anomaly-detection triggers, from training events to verified FPGA firmware.

    Exit codes: 0 done; 1 a check failed; 2 usage, configuration or data; 3 a tool is missing.
    """
    if verbose < 2:
        # TensorFlow writes about GPUs and instruction sets to the standard error unless told otherwise before import.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    level = logging.ERROR if quiet else {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("l1ad").setLevel(level)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after the name of the program; by default those of the process.

    Returns
    -------
    int
        0 done; 1 a check failed; 2 usage, configuration or data; 3 a tool is missing; 70 a bug in l1ad;
        130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = typer.main.get_command(app).main(given or ["--help"], prog_name="l1ad", standalone_mode=False)
    except L1adError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except OSError as error:
        return _system_error(error)
    except Exception:
        traceback.print_exc()
        return _fail("this is a bug in l1ad. Please report it with the lines above.", EXIT_BUG)
    if code == EXIT_INTERRUPTED:
        return _fail("interrupted; what was finished is kept.", EXIT_INTERRUPTED)
    return int(code or 0)


def _fail(message: str, code: int) -> int:
    """Print `message` on the standard error and return `code`."""
    typer.echo(f"l1ad: {message}", err=True)
    return code


def _usage(error: typer.TyperException) -> int:
    """Say what is wrong with the arguments, and where the help is."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        typer.echo(context.get_help())
        return 0
    path = context.command_path if context is not None else "l1ad"
    return _fail(f"{error.format_message().rstrip('.')}. See `{path} --help`.", 2)


def _system_error(error: OSError) -> int:
    """Say what the operating system refused."""
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _fail(f"{place}no space left on the disk. Free some space and run the same command again.", 2)
    if isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return _fail(f"{place}{error.strerror}.", 2)
    traceback.print_exception(error)
    return _fail("this is a bug in l1ad. Please report it with the lines above.", EXIT_BUG)

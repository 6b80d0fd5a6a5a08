"""The architecture holds: imports go left, files stay short, public things are documented, `import` is light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import shrinkage

PACKAGE = Path(shrinkage.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# A module imports only from those to its left (here: above); `_quiet` may be imported by all.
ARROW = [
    {"_quiet"},
    {"_random"},
    {"_hints"},
    {"_fit_hints"},
    {"_penalties"},
    {"_kinds"},
    {"_matching", "_scale", "_first_call", "_reach"},
    {"_steps"},
    {"_selection"},
    {"_carried"},
    {"_attach"},
    {"_folds", "_strengths"},
    {"_losses"},
    {"_objective"},
    {"_arrays"},
    {"_data"},
    {"_targets"},
    {"_clone"},
    {"_template"},
    {"_tokens"},
    {"_rows"},
    {"_behaviour"},
    {"_cohort"},
    {"_choice"},
    {"_path_hints"},
    {"_path"},
    {"_path_words"},
    {"_path_findings"},
    {"_path_verdict"},
    {"_model_words"},
    {"_path_text", "_path_io"},
    {"_null"},
    {"_metrics"},
    {"_grid"},
    {"_prepare", "_progress"},
    {"_search"},
    {"_fit"},
    {"_plot"},
    {"_convert"},
    {"_doctor"},
    {"cli"},
]
PLACE = {room: place for place, rooms in enumerate(ARROW) for room in rooms}
# Path's methods plot, save, load and print delegate, by an import inside the method.
EXCEPTIONS = {
    ("_path", "_plot"),
    ("_path", "_path_io"),
    ("_path", "_path_text"),
    ("_path", "_path_verdict"),
    ("_path", "_model_words"),
}
LONGEST_FILE = 400


def _room(file: Path) -> str:
    """The module or sub-package of the arrow that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The rooms that a module imports from, each with its statement; names taken from the package are skipped."""
    for node in ast.walk(tree):
        for module in _modules(node):
            package, _, rest = module.partition(".")
            room = rest.partition(".")[0]
            if package == "shrinkage" and room in PLACE:
                yield room, node


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _id(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


INNER = [file for file in FILES if file.name != "__init__.py" or file.parent != PACKAGE]


@pytest.mark.parametrize("file", INNER, ids=_id)
def test_imports_go_left(file):
    tree, room = ast.parse(file.read_text("utf-8")), _room(file)
    assert room in PLACE, f"{room} has no place in the arrow"
    for imported, node in _imports(tree):
        if imported == room:
            continue
        if (room, imported) in EXCEPTIONS:
            assert node not in tree.body, f"{room} may import {imported} inside a method only"
        else:
            assert PLACE[imported] < PLACE[room], f"{room} imports {imported}, which is not to its left"


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_files_are_short(file):
    assert file.read_text("utf-8").count("\n") <= LONGEST_FILE


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_relative_imports_stay_in_their_room(file):
    """`from ._table import …` inside cli/ is fine; from another room the arrow must see it, so it is absolute."""
    depth = len(file.relative_to(PACKAGE).parts) - 1
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    assert all(node.level <= depth for node in nodes if isinstance(node, ast.ImportFrom) and node.level)


def test_the_check_of_the_arrow_can_fail():
    tree = ast.parse("from shrinkage._fit import fit\nimport shrinkage._path\nfrom shrinkage import _plot, L2")
    assert [room for room, _ in _imports(tree)] == ["_fit", "_path", "_plot"]


@pytest.mark.parametrize("name", [name for name in dir(shrinkage) if not name.startswith("__")])
def test_public_names_have_a_docstring_with_an_example(name):
    thing = getattr(shrinkage, name)
    assert thing.__doc__ and ">>> " in thing.__doc__, f"{name} has no example"
    for attribute, method in vars(thing).items():
        if callable(method) and not attribute.startswith("_") and isinstance(thing, type):
            assert method.__doc__, f"{name}.{attribute} has no docstring"


def test_the_public_names_exist_and_the_rest_is_an_error():
    assert [n for n in shrinkage._HOME if not hasattr(shrinkage, n)] == []
    assert sorted({*shrinkage._HOME, "__version__"}) == dir(shrinkage)
    with pytest.raises(AttributeError, match="has no attribute 'L3'; it has L2, L1"):
        _ = shrinkage.L3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("module", ["shrinkage", "shrinkage.cli"])
def test_importing_is_light(module):
    heavy = "{'tensorflow', 'keras', 'numpy', 'pandas', 'sklearn', 'scipy', 'matplotlib'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_converting_is_light():
    code = "import sys, shrinkage; shrinkage.convert; print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_type_checkers_see_what_python_sees():
    """The names under TYPE_CHECKING are those of the lazy table, from the same modules."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    twin = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: (node.module or "").removeprefix("shrinkage.")
        for node in twin.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == shrinkage._HOME

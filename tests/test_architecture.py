"""The architecture holds: the order of the imports, short files, documented public names, a light import."""

import ast
import inspect
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import MISSING, fields
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import shrinkage
from shrinkage._path._curve import Curve
from shrinkage._problem._request import Request

PACKAGE = Path(shrinkage.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")

# A room imports only from those above it, and from itself without a cycle; docs/architecture.md shows the order.
ROOMS = (
    "_host", "_messages", "_progress", "_penalties", "_weights", "_cv", "_data", "_model", "_problem", "_cohort",
    "_plan", "_search", "_path", "_fit", "_compare",
)  # fmt: skip
# They may import from every room, and nothing imports them.
EDGES = ("_attach", "_doctor", "_convert", "cli", "_estimators", "_pickled")
PLACE = {room: place for place, room in enumerate(ROOMS)} | dict.fromkeys(EDGES, len(ROOMS))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
# They catch any exception to say it in the shell, or pass on what they do not know.
_LAST = {("cli", "_commands.py"), ("cli", "_folder.py")}


def _room(file: Path) -> str:
    """The module or sub-package of the arrow that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(tree: ast.AST, folder: Sequence[str] = ()) -> Iterator[str]:
    """The modules of the package that a module in a folder imports, by their dotted names without the package's."""
    for node in ast.walk(tree):
        for module in _modules(node, ("shrinkage", *folder)):
            package, _, rest = module.partition(".")
            if package == "shrinkage" and rest.partition(".")[0] in PLACE:
                yield rest


def _modules(node: ast.AST, package: Sequence[str] = ()) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        begin = package[: len(package) + 1 - node.level] if node.level else ()
        return [".".join([*begin, *filter(None, [node.module]), alias.name]) for alias in node.names]
    return []


def _imports_of(file: Path) -> Iterator[str]:
    return _imports(ast.parse(file.read_text("utf-8")), file.relative_to(PACKAGE).parts[:-1])


def _id(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


INNER = [file for file in FILES if file.name != "__init__.py" or file.parent != PACKAGE]


@pytest.mark.parametrize("file", INNER, ids=_id)
def test_a_room_imports_from_those_above_it(file):
    room = _room(file)
    assert room in PLACE, f"{room} has no place in the order"
    imported = {module.partition(".")[0] for module in _imports_of(file)} - {room}
    assert [other for other in imported if PLACE[other] >= PLACE[room] and (room, other) not in ALLOWED] == []


@pytest.mark.parametrize(("marker", "rooms"), [("rooms", ROOMS), ("edges", EDGES)])
def test_the_page_shows_the_rooms_in_their_order(marker, rooms):
    block = PAGE.split(f"<!-- {marker} -->")[1].split("```")[1]
    shown = [line.split()[0] for line in block.splitlines() if line.strip() and not line.startswith(" ")]
    assert [name.rstrip("/").removesuffix(".py") for name in shown] == list(rooms)
    assert [
        name for name in shown if not (PACKAGE / name).exists() or name.endswith("/") != (PACKAGE / name).is_dir()
    ] == []


def test_the_files_that_the_page_names_exist():
    named = set(re.findall(r"`([\w/]+\.(?:py|md))`", PAGE))
    assert len(named) > 40
    assert sorted(name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()) == []


def test_the_names_that_the_page_gives_are_in_the_package():
    code = "\n".join(file.read_text("utf-8") for file in FILES)
    named = re.findall(r"`@?([A-Za-z_]\w+)`", PAGE)
    assert {"Request", "prepare_problem", "Runner", "Outcome", "CHECKS", "_LOSSES"} <= set(named)
    assert [name for name in named if not re.search(rf"\b{name}\b", code)] == []


# `attach` and `doctor` are edges that look at each other's model: the doctor reads what is attached. The estimators
# encode tables as the command line does.
ALLOWED = {("_doctor", "_attach"), ("cli", "_doctor"), ("cli", "_convert"), ("_estimators", "cli")}


def test_each_pair_of_edges_is_needed():
    imported = {(_room(file), module.partition(".")[0]) for file in INNER for module in _imports_of(file)}
    assert imported >= ALLOWED


def test_no_modules_import_each_other():
    """Not in a circle either, be it inside a function; a package counts as its `__init__`."""
    names = {_dotted(file): file for file in INNER}
    imports = {}
    for name, file in names.items():
        imports[name] = {_module_of(module, names) for module in _imports_of(file)} - {name, ""}
    order = TopologicalSorter(imports)
    order.prepare()  # raises CycleError, which names the circle


def _dotted(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def _module_of(name: str, known: Collection[str]) -> str:
    """The module that a dotted name is, or is in: `_cv._folds.Folds` is in `_cv._folds`."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_files_are_short(file):
    assert file.read_text("utf-8").count("\n") <= LONGEST_FILE


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_functions_are_short(file):
    functions = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef))
    assert [each.name for each in functions if _length(each) > LONGEST_FUNCTION] == []


def _length(function: ast.FunctionDef) -> int:
    """The number of lines of a function without signature and docstring."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def test_the_check_of_functions_can_fail():
    tree = ast.parse('def f(\n    x,\n):\n    """Text."""\n\n    y = x\n\n    return y')
    assert [_length(node) for node in tree.body if isinstance(node, ast.FunctionDef)] == [3]


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_relative_imports_stay_in_their_room(file):
    """`from ._table import …` inside cli/ is fine; from another room the arrow must see it, so it is absolute."""
    depth = len(file.relative_to(PACKAGE).parts) - 1
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    assert all(node.level <= depth for node in nodes if isinstance(node, ast.ImportFrom) and node.level)


def test_the_check_of_the_order_can_fail():
    tree = ast.parse("from shrinkage._fit._fit import fit\nimport shrinkage._path._path\nfrom shrinkage import _cv, L2")
    assert list(_imports(tree)) == ["_fit._fit.fit", "_path._path", "_cv"]
    tree = ast.parse("from ._table import column\nfrom . import _rows\nfrom .._cv import Folds\nimport re")
    assert list(_imports(tree, ["cli"])) == ["cli._table.column", "cli._rows", "_cv.Folds"]


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


def test_the_parameters_of_an_estimator_are_read_without_keras():
    code = (
        "import sys, shrinkage as sh; sh.PathClassifier().get_params(); sh.PathRegressor(model='linear').__repr__();"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
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


def test_a_request_has_the_arguments_of_fit():
    """`fit` is the one function that repeats them, beside where it runs and what only shows how it goes."""
    fit = {name: p.default for name, p in inspect.signature(shrinkage.fit).parameters.items()}
    shown = {"run", "cluster", "progress", "on_epoch", "verbose", "tensorboard"}
    request = {f.name: inspect.Parameter.empty if f.default is MISSING else f.default for f in fields(Request)}
    assert request == {name: default for name, default in fit.items() if name not in shown}
    assert shown < set(fit)


def test_an_estimator_has_the_arguments_of_fit():
    """Beside those of the rows, which its `fit` takes, and those of datasets."""
    of_rows = {"x", "y", "groups", "sample_weight", "validation_data", "steps_per_epoch"}
    fit = set(inspect.signature(shrinkage.fit).parameters) - of_rows
    own, targets = {"model", "hidden", "choose"}, {"class_weight", "standardize_target"}
    classifier, regressor = (
        set(each._get_param_names()) for each in (shrinkage.PathClassifier, shrinkage.PathRegressor)
    )
    assert classifier | regressor == fit | own
    assert classifier ^ regressor == targets


@pytest.mark.parametrize(
    ("estimator", "more"), [(shrinkage.PathClassifier, {}), (shrinkage.PathRegressor, {"standardize_target": True})]
)
def test_an_estimator_has_the_defaults_of_fit_but_for_these(estimator, more):
    fit = inspect.signature(shrinkage.fit).parameters
    own = {name: p.default for name, p in inspect.signature(estimator).parameters.items() if name in fit}
    intended = {
        "model": "mlp",  # an estimator without arguments works, as scikit-learn asks
        "penalty": "l2",
        "init": "fresh",  # `fit` asks for it with a model that has been trained; an estimator is refitted on other rows
        "epoch": None,  # as with `solver`, the estimator chooses: a linear model is computed, or trained to its minimum
        "solver": None,
        "progress": False,  # scikit-learn's estimators print nothing unless they are asked to
    }
    assert {name: default for name, default in own.items() if default != fit[name].default} == intended | more


def test_a_path_adds_few_fields_to_its_curve():
    assert len(fields(shrinkage.Path)) - len(fields(Curve)) <= 12


# --- names of functions

# Participles, adjectives and adverbs that were names of functions. A function has a verb: not `_checked`, but
# `_check_pairs`.
NO_VERBS = frozenset(
    """
    _alike _before _better _checked _clipped _compiled _concrete _cut _each _empty _extreme _further _held _joined
    _labelled _largest _least _likely _listed _live _missed _more _numbered _of _other _plain _plainly _possible
    _quiet _reduced _renamed _repeated _rounded _short _shown _shuffled _simple _small _stored _toward _unclear
    _unequal _unseen _wanted _where _widened _written _you centred connected hinted known missing monitored now
    passed printable raw shown squeezed where
    """.split()
)


# Nouns, adjectives and prepositions that began names of functions. A function begins with a verb: not `loss_words`, but
# `describe_loss`. The names of rules, checks, commands and properties are nouns, and have a decorator.
NO_FIRST_WORDS = frozenset(
    """
    about arguments arrays best block blocks budget cells class classes classification code columns command constants
    constant curve curves data dataset digits document edge entries epoch epochs evidence example far few figure figures
    file files first fixed flat folder folds for given gap graph grid groups held input inputs interval items kind label
    labels lam last late layer layers least limits line lines loss losses members metric metrics missing network no none
    norms notes null numbers of one optimizer optimizers output outputs own parts path paths places points positions
    predictions problems rates reason residuals rest rows section shapes share sizes small source
    state stream strengths summary tables target targets tensors terms title too trained units usable value values
    weight weights with without word words
    """.split()
)


def _functions_without_a_verb(tree: ast.AST) -> list[str]:
    """The functions and methods of a module that are named by `NO_VERBS`, or begin with one of `NO_FIRST_WORDS`."""
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [node.name for node in functions if node.name in NO_VERBS or _begins_without_a_verb(node)]


def _begins_without_a_verb(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first, _, rest = function.name.lstrip("_").partition("_")
    is_special = function.name.startswith("__") or bool(function.decorator_list)
    return first in NO_FIRST_WORDS and bool(rest) and not is_special


def test_the_names_of_functions_are_verbs():
    found = {_id(file): _functions_without_a_verb(ast.parse(file.read_text("utf-8"))) for file in FILES}
    assert {name: names for name, names in found.items() if names} == {}


def test_the_check_of_names_can_fail():
    code = "def _checked(): ...\nclass A:\n    async def raw(self): ...\n    def _check_rows(self): ..."
    assert _functions_without_a_verb(ast.parse(code)) == ["_checked", "raw"]
    assert _functions_without_a_verb(ast.parse("def loss_words(): ...\ndef describe_loss(): ...")) == ["loss_words"]


# A command of the shell is named by the function that it calls.
COMMANDS = {"compare", "convert", "doctor", "fit"}


def test_a_public_name_of_a_module_stands_for_one_thing():
    places = defaultdict(list)
    for file in FILES:
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                places[node.name].append(_id(file))
    assert {name for name, files in places.items() if len(files) > 1} == COMMANDS

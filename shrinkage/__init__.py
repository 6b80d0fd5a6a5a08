"""How much L2, L1 or weight decay does a Keras model need? Its regularization path, cross-validated.

The objective is always the mean data loss plus lam * P(w), with P = ½Σw² for `L2` and P = Σ|w| for `L1`. The
documentation of `ElasticNet` and `GroupLasso` defines P for these penalties.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from shrinkage._host._quiet import call_after_keras_import, require_tensorflow

if TYPE_CHECKING:
    from shrinkage._attach._attach import attach as attach
    from shrinkage._attach._attach import detach as detach
    from shrinkage._attach._export import export as export
    from shrinkage._cohort._rules._registry import rule as rule
    from shrinkage._compare._compare import compare as compare
    from shrinkage._compare._comparison import Comparison as Comparison
    from shrinkage._convert import convert as convert
    from shrinkage._cv._choice import NothingToChoose as NothingToChoose
    from shrinkage._doctor._doctor import doctor as doctor
    from shrinkage._estimators._estimators import PathClassifier as PathClassifier
    from shrinkage._estimators._estimators import PathRegressor as PathRegressor
    from shrinkage._fit._estimate import estimate as estimate
    from shrinkage._fit._fit import fit as fit
    from shrinkage._path._curve import Status as Status
    from shrinkage._path._path import Path as Path
    from shrinkage._penalties import L1 as L1
    from shrinkage._penalties import L2 as L2
    from shrinkage._penalties import Coupled as Coupled
    from shrinkage._penalties import Decoupled as Decoupled
    from shrinkage._penalties import ElasticNet as ElasticNet
    from shrinkage._penalties import GroupLasso as GroupLasso
    from shrinkage._penalties import Proximal as Proximal
    from shrinkage._weights._selection import describe as describe

__version__ = "0.1.0"
__path__.append(f"{__path__[0]}/_pickled")  # modules that pickles of version 0.1 refer to

# A name's module is imported when the name is first used: importing Keras and TensorFlow takes seconds.
_HOME = {
    "L2": "_penalties",
    "L1": "_penalties",
    "ElasticNet": "_penalties",
    "GroupLasso": "_penalties",
    "Coupled": "_penalties",
    "Proximal": "_penalties",
    "Decoupled": "_penalties",
    "describe": "_weights._selection",
    "attach": "_attach._attach",
    "detach": "_attach._attach",
    "export": "_attach._export",
    "rule": "_cohort._rules._registry",
    "fit": "_fit._fit",
    "compare": "_compare._compare",
    "Comparison": "_compare._comparison",
    "estimate": "_fit._estimate",
    "Path": "_path._path",
    "Status": "_path._curve",
    "NothingToChoose": "_cv._choice",
    "convert": "_convert",
    "doctor": "_doctor._doctor",
    "PathClassifier": "_estimators._estimators",
    "PathRegressor": "_estimators._estimators",
}
_WITHOUT_KERAS = {"_convert", "_cv._choice", "_estimators._estimators"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'shrinkage' has no attribute {name!r}; it has {', '.join(_HOME)}")
    if _HOME[name] not in _WITHOUT_KERAS:
        require_tensorflow()
        _let_keras_load_attached_models()
    value = getattr(import_module(f"shrinkage.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*_HOME, "__version__"]


def _let_keras_load_attached_models() -> None:
    import_module("shrinkage._attach._hooked")  # registers their class with Keras


call_after_keras_import(_let_keras_load_attached_models)

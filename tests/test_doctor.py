"""The doctor: what it finds, that its fixes work, that well-made models have no warning, that the traps are real."""

import keras
import pytest

import shrinkage as sh
from shrinkage._doctor._doctor import CHECKS
from shrinkage._doctor._report import Report
from tests import zoo_doctor as zoo

CASES = [(code, i) for code, models in zoo.ILL.items() for i in range(len(models))]
ADVICE = {  # fixes that are for the code which makes the model, or need no change
    "float16-overflow", "train-step-without-penalty", "adaptive-and-coupled", "loss-contains-penalty",
    "keras-l2-has-no-half",
}  # fmt: skip


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_every_check_has_an_ill_model_and_a_sentence():
    assert [check.code for check in CHECKS] == list(zoo.ILL)
    assert all(check.summary.endswith((".", ").")) and len(check.summary) < 120 for check in CHECKS)


@pytest.mark.parametrize(("code", "i"), CASES)
def test_it_finds_what_a_model_has_and_the_fix_puts_it_right(code, i):
    make, options = zoo.ILL[code][i]
    model = make()
    found = [finding for finding in sh.doctor(model, **options).findings if finding.code == code]
    assert len(found) == 1 and found[0].about and found[0].why and found[0].fix
    names = {"model": model, "keras": keras, "sh": sh, "callbacks": [], **options}
    exec(compile(found[0].fix, code, "exec"), names)
    after = sh.doctor(model, **options)
    assert code in ADVICE or code not in codes(after)
    if code not in ADVICE:  # nor does the fix make anything worse
        before = codes(sh.doctor(make(), **options))
        assert {f.code for f in (*after.errors, *after.warnings)} <= before


@pytest.mark.parametrize("name", list(zoo.WELL))
def test_well_made_models_have_no_warning(name):
    make, options = zoo.WELL[name]
    report = sh.doctor(make(), **options)
    assert not report.errors and not report.warnings, report

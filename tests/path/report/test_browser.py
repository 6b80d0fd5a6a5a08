"""The page of a report in Chromium, driven by Playwright; skipped where one of them is missing."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from shrinkage._messages._note import PYTHON
from shrinkage._path._outputs import make_path_page
from shrinkage._path._pictures._curve_data import compute_curve_data
from shrinkage._penalties import L1
from tests.path.predicted import of_a_number, of_classes
from tests.path.report.test_page import Compared, hostile_page
from tests.synthetic_path import LAMS, diverged, make_path

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra `dev` has it)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def look(browser, tmp_path) -> Iterator[Any]:
    """Open a page, and assert at the end that it logged nothing and requested nothing but itself."""
    seen, contexts = [], []

    def open_page(html: str, width: int = 1280, scheme: str = "light") -> Any:
        file = tmp_path / "report.html"
        file.write_text(html, "utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("dialog", lambda dialog: seen.append(dialog.message))
        page.on("request", lambda request: request.url == file.as_uri() or seen.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen == []


def html_of(path: Any, **options: Any) -> str:
    return make_path_page(path, PYTHON, **options)


PAGES = {
    "classes": lambda: html_of(of_classes()),
    "sparse": lambda: html_of(make_path(penalty=L1()), comparison=Compared()),
    "all diverged": lambda: html_of(of_a_number(**diverged(make_path(), LAMS >= 0))),
    "hostile": hostile_page,
}


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_drawn_and_no_width_scrolls_to_the_side(look, name):
    html = PAGES[name]()
    for width, scheme in ((360, "dark"), (1600, "light")):
        page = look(html, width, scheme)
        assert (
            page.locator("figure[data-figure]").count()
            == page.locator("figure .cartesianlayer .subplot.xy").count()
            > 0
        )
        assert page.evaluate("document.documentElement.scrollWidth") == width
        widths = page.evaluate("[...document.querySelectorAll('figure svg.main-svg')].map(svg => [svg.clientWidth, "
                               "svg.closest('figure').clientWidth])")  # fmt: skip
        assert widths and all(drawn == place for drawn, place in widths)


def test_names_that_are_scripts_are_text(look):
    page = look(hostile_page())
    assert "<script>" in page.title() and page.title() != "hit"
    assert page.locator("img").count() == 0 and page.locator("main script").count() == 0
    assert "<img src=x" in page.locator("main").inner_text()
    ticks = page.locator("figure .ytick text").all_text_contents()
    assert any(tick.startswith("</script>") for tick in ticks)
    legends = page.locator("figure .legendtext").all_text_contents()
    assert any("<b>x</b>" in legend for legend in legends)


def held_out_points(page: Any) -> Any:
    """The points of the first figure that have error bars."""
    figure = page.locator("figure").first
    return figure.locator(".trace.scatter", has=page.locator(".errorbar")).first.locator(".points .point")


def test_a_hover_tells_the_numbers_of_a_point(look):
    path = of_classes()
    page = look(html_of(path))
    figure = page.locator("figure").first
    assert figure.locator(".hovertext").count() == 0
    points = held_out_points(page)
    assert points.count() == (~compute_curve_data(path).is_above).sum()
    page.evaluate("scrollTo(0, document.querySelector('figure').offsetTop - 100)")
    points.last.hover(force=True)
    page.wait_for_selector("figure .hovertext")
    text = figure.locator(".hovertext").first.text_content()
    for part in (f"λ = 0held-out loss {path.mean[-1]:.3f}", "held-out loss", "±", "δ = nλ = 0", "epoch 4"):
        assert part in text


def test_the_slider_shows_the_epochs_of_a_strength(look):
    path = of_classes()
    page = look(html_of(path))
    readout, slider = page.locator(".slider output"), page.locator(".slider input")
    assert readout.text_content().startswith("λ = 3.16e-04 (min), δ = 0.0632: epoch 4, held out 0.11")
    line = "figure[data-figure='1'] .trace.scatter path.js-line"
    before = page.locator(line).first.get_attribute("d")
    slider.focus()
    page.keyboard.press("End")
    assert readout.text_content().startswith("λ = 1.00e+00, δ = 200: epoch 4, held out 2.3")
    assert page.locator(line).first.get_attribute("d") != before
    page.get_by_role("button", name="none", exact=True).click()
    assert readout.text_content().startswith("λ = 0 (none)")
    assert page.get_by_role("button", name="none", exact=True).get_attribute("aria-pressed") == "true"


def test_a_point_of_the_curve_moves_the_slider(look):
    page = look(html_of(of_classes()))
    point = held_out_points(page).first
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("!document.querySelector('.slider output').textContent.includes('(min)')")


def colours(page: Any) -> tuple[str, str, str]:
    return page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, "
        "getComputedStyle(document.querySelector('figure .xtick text')).fill]"
    )


def test_light_dark_and_paper_have_their_colours(look):
    page = look(html_of(of_classes()), scheme="light")
    light = colours(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(100)
    dark = colours(page)
    assert light[1] == light[2] and dark[1] == dark[2]  # the figures follow
    assert all(a != b for a, b in zip(light, dark, strict=True))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert colours(page) == light  # paper is white
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert colours(page) == dark


def test_paper_has_all_of_it(look):
    page = look(html_of(of_classes()), scheme="dark")
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF") and 3 <= pdf.count(b"/Type /Page\n") <= 12
    assert page.locator("html.printing").count() == 0

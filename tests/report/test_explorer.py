"""The report in a real browser: every control works, and nothing is said on the console."""

import re
import shutil
from urllib.parse import parse_qs

import pytest

from rdpipe.report import write_report
from tests.report.made_up import SMALL, plan_of, results_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="needs Chromium: `apt-get install chromium` or the like"
)
WIDTHS = (1440, 900, 390)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        # tests may run as root and in containers, where Chromium's own sandbox cannot
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The report of a study with a diverged and a missing run, as a browser opens it."""
    folder = tmp_path_factory.mktemp("report")
    runs = {"diverged": [("sparse/mlp-1", 5.0, 1)], "missing": [("dense/mlp-2", 1.0, 2)]}
    write_report(results_of(folder, plan_of(SMALL), **runs), folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.fixture
def open_page(browser, address):
    """Opens the report with the given hash. At the end the console must have stayed silent."""
    said, asked, pages = [], [], []

    def open_at(hash_="", **how):
        page = browser.new_page(**how)
        page.set_default_timeout(120_000)  # ms; a machine may be busy
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + hash_)
        pages.append(page)
        return page

    yield open_at
    for page in pages:
        page.close()
    assert said == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}


def state(page):
    """What the address says is chosen."""
    (hash_,) = re.findall("#explorer:(.*)", page.url)
    return {key: value for key, (value,) in parse_qs(hash_).items()}


def toggle(page, name, value):
    """Click what a user sees of a control: its label."""
    page.locator(f'label:has(input[name="{name}"][value="{value}"])').click()


def points(page):
    return page.locator(".plot .point")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_windows_of_every_width(open_page, width, scheme):
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    plot = page.locator(".plot svg").bounding_box()
    assert plot["x"] >= 0 and plot["x"] + plot["width"] <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", paper)[0]) > 128) == (scheme == "light")


def test_splits_architectures_and_parts_choose_the_curves(open_page):
    page = open_page()
    assert points(page).count() == 2 * 2 * 2 * 4
    for name, value in (("splits", "dense"), ("archs", "mlp-2"), ("parts", "train")):
        toggle(page, name, value)
    assert points(page).count() == 4
    chosen = state(page)
    assert (chosen["splits"], chosen["archs"], chosen["parts"]) == ("sparse", "mlp-1", "test")
    toggle(page, "parts", "test")
    assert page.get_by_text("No curve is chosen").is_visible()


def test_both_ends_of_a_curve_have_their_beta(open_page):
    page = open_page(
        "#explorer:experiment=both&splits=sparse&archs=mlp-1&parts=test&run=sparse/mlp-1/1/0/test"
    )
    labels = page.locator(".plot .beta-label").all_text_contents()
    assert sorted(labels) == ["β = 0.001", "β = 1", "β = 5"]


def test_another_experiment_brings_its_own_splits(open_page):
    page = open_page()
    page.locator('select[name="experiment"]').select_option("one")
    assert page.locator('input[name="splits"]').count() == 1
    assert points(page).count() == 2 * 4
    assert state(page)["experiment"] == "one"


def test_the_axis_of_the_rate_can_be_logarithmic(open_page):
    page = open_page()
    before = points(page).first.get_attribute("transform")
    toggle(page, "axis", "log")
    assert points(page).first.get_attribute("transform") != before
    assert state(page)["axis"] == "log"


def test_a_pointer_over_a_point_shows_its_numbers(open_page):
    page = open_page()
    points(page).nth(2).hover(force=True)
    tip = page.locator(".tip")
    assert tip.is_visible() and "β = " in tip.inner_text() and "± " in tip.inner_text()
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_a_click_shows_pictures_rate_measures_and_history_of_the_run(open_page):
    page = open_page("#explorer:experiment=both&splits=sparse&archs=mlp-1&parts=test")
    page.locator('[data-point="sparse/mlp-1/test/0.1"]').click(force=True)
    detail = page.locator(".detail")
    assert detail.locator(".image").count() == 4 * 2
    assert "Rate on the training part" in detail.inner_text()
    assert "I = 4 (at most log N = 4.85)" in detail.inner_text()
    assert detail.locator(".history svg").count() == 2
    assert (
        detail.get_by_role("cell", name="Memorised").count() or "Memorised" in detail.inner_text()
    )
    assert state(page)["run"] == "sparse/mlp-1/0.1/0/test"


def test_pictures_are_those_of_the_run(open_page):
    page = open_page("#explorer:run=sparse/mlp-1/0.1/0/test")
    places = page.locator(".image").evaluate_all(
        "all => all.map(one => one.style.backgroundPosition)"
    )
    # two examples; rows of the second sheet are the four β, of which 0.1 is the second
    assert places[:4] == ["0% 0%", "100% 0%", "0% 100%", "100% 100%"]
    assert [place.split()[1][:5] for place in places[4:]] == ["33.33"] * 4


def test_steps_go_through_betas_and_seeds(open_page):
    page = open_page("#explorer:run=sparse/mlp-1/1/0/test")
    page.get_by_label("Larger β").click()
    assert state(page)["run"] == "sparse/mlp-1/5/0/test"
    assert page.get_by_label("Larger β").is_disabled()
    page.get_by_role("button", name="1 (diverged)").click()
    assert "This run diverged" in page.locator(".detail").inner_text()
    page.get_by_role("button", name="2", exact=True).click()
    assert "Measures of seed 2" in page.locator(".detail").inner_text()


def test_a_run_that_is_missing_says_so(open_page):
    page = open_page("#explorer:run=dense/mlp-2/1/2/test")
    assert "This run is missing" in page.locator(".detail").inner_text()


def test_a_link_shows_the_same_view(open_page):
    page = open_page("#explorer:run=sparse/mlp-2/0.001/1/train")
    toggle(page, "splits", "dense")
    toggle(page, "axis", "log")
    again = open_page("#" + page.url.partition("#")[2])
    for one in (page, again):
        assert one.locator('.point[aria-pressed="true"]').count() == 1
    assert again.locator(".detail").inner_text() == page.locator(".detail").inner_text()
    assert again.locator(".plot").inner_html() == page.locator(".plot").inner_html()


def test_an_address_of_another_study_shows_the_page_as_it_opens(open_page):
    page = open_page("#explorer:experiment=gone&splits=never&run=a/b/c/d/e&axis=odd")
    assert page.get_by_text("No curve is chosen").is_visible()
    assert page.locator('select[name="experiment"]').input_value() == "both"


def test_all_of_it_works_with_the_keyboard_alone(open_page):
    page = open_page("#explorer:splits=sparse&archs=mlp-1,mlp-2&parts=test")
    page.locator('input[name="axis"][value="linear"]').focus()
    page.keyboard.press("Tab")  # into the plot, of which one point is in the order
    focused = "document.activeElement.dataset.point"
    assert page.evaluate(focused) == "sparse/mlp-1/test/1"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "sparse/mlp-1/test/0.1"  # a smaller β has more rate
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "sparse/mlp-2/test/0.1"
    page.keyboard.press("Enter")
    assert state(page)["run"] == "sparse/mlp-2/0.1/0/test"
    assert page.evaluate(focused) == "sparse/mlp-2/test/0.1"  # focus stays
    page.keyboard.press("End")
    assert page.evaluate(focused) == "sparse/mlp-2/test/0.001"


def test_a_screen_reader_hears_every_point_and_can_read_a_table(open_page):
    page = open_page("#explorer:splits=sparse&archs=mlp-1&parts=test")
    name = points(page).first.get_attribute("aria-label")
    assert re.fullmatch(r"CV\(.+\), 1-layer MLP, test, β = 0.001: R .+, D .+ nats, 3 seeds", name)
    page.get_by_text("The same points as a table").click()
    rows = page.locator(".points tbody tr")
    assert rows.count() == 4
    rows.nth(3).get_by_role("button").click()
    assert state(page)["run"] == "sparse/mlp-1/5/0/test"
    assert page.locator(".detail").get_attribute("aria-live") == "polite"


def test_without_javascript_figures_and_claims_are_there(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert page.locator("figure").count() == 3 and page.locator("#claims article").count() == 0

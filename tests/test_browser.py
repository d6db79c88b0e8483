"""The report and MLflow's UI in a real browser: figures load, tables sort, nothing of the data runs, no errors.

Screenshots go to build/screenshots/, to be looked at.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import prefens
from tests.helpers.examples import column, make_pairs, write_csv
from tests.helpers.pages import HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
SHOTS = Path(__file__).parent.parent / "build" / "screenshots"
WIDE, NARROW = (1366, 900), (500, 900)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium or chromedriver is not installed"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two members, one of which has learning curves, a blend, and a report on hostile texts."""
    folder = tmp_path_factory.mktemp("browser")
    pairs = make_pairs(120)
    texts = column([(f"{turns[0]} {HOSTILE}",) for turns in pairs.response_b])
    write_csv(folder / "train.csv", type(pairs)(**{**vars(pairs), "response_b": texts}))
    small = ["backbone.dimension=8", "backbone.filters=8", "training.epochs=3", "training.batch_pairs=8"]
    prefens("train", "data.path=train.csv", "backbone=style", "backbone.strengths=[0.1]", cwd=folder)
    prefens("train", "data.path=train.csv", "backbone=textcnn", *small, cwd=folder)
    prefens("blend", "resamples=50", "model=false", cwd=folder)
    prefens("report", "data.path=train.csv", "resamples=50", cwd=folder)
    return folder


@pytest.fixture
def browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser: Any, size: tuple[int, int], scheme: str) -> None:
    """Set the size of the page, whatever the window's frame takes, and the colours that the system asks for."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def shoot(browser: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SHOTS / f"{name}.png"))


def shoot_parts(browser: Any, name: str, height: int) -> None:
    """Save a page screen by screen."""
    total = browser.execute_script("return document.documentElement.scrollHeight")
    for number, top in enumerate(range(0, total, height - 60)):
        browser.execute_script("scrollTo({top: arguments[0], behavior: 'instant'})", top)
        shoot(browser, f"{name}-{number:02}")


def errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_the_report_loads_whole_and_nothing_of_the_data_runs(
    store: Path, browser: Any, size: tuple[int, int], scheme: str
) -> None:
    show(browser, size, scheme)
    browser.get((store / "report.html").as_uri())
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 8
    assert min(widths) > 300
    assert browser.title.startswith("Predicting")
    assert browser.execute_script("return document.scripts.length") == 1
    assert browser.execute_script("return document.documentElement.scrollWidth") == size[0]
    text = browser.execute_script("return document.querySelector('#errors details pre').closest('details').textContent")
    assert HOSTILE in text
    browser.execute_script("document.querySelector('details').open = true")
    shoot_parts(browser, f"report-{scheme}-{size[0]}", size[1])
    assert errors(browser) == []


def test_tables_sort_by_click_and_by_key(store: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, WIDE, "light")
    browser.get((store / "report.html").as_uri())
    table = browser.find_element("css selector", "#leaderboard table")
    headers = table.find_elements("css selector", "th")
    place = [header.text for header in headers].index("accuracy")

    def cells() -> list[str]:
        script = "return [...arguments[0].tBodies[0].rows].map(row => row.cells[arguments[1]].textContent)"
        return browser.execute_script(script, table, place)

    button = headers[place].find_element("css selector", "button")
    button.click()
    assert headers[place].get_attribute("aria-sort") == "ascending"
    assert cells() == sorted(cells(), key=float)
    button.send_keys(Keys.ENTER)
    assert headers[place].get_attribute("aria-sort") == "descending"
    assert cells() == sorted(cells(), key=float, reverse=True)
    place = [header.text for header in headers].index("fitted")
    for _ in range(2):  # empty cells stay last
        headers[place].find_element("css selector", "button").click()
        assert [bool(cell) for cell in cells()] == sorted((bool(cell) for cell in cells()), reverse=True)
    assert headers[place].get_attribute("aria-sort") == "descending"
    assert errors(browser) == []


def test_the_theme_can_be_switched_and_is_remembered(store: Path, browser: Any) -> None:
    show(browser, WIDE, "dark")
    browser.get((store / "report.html").as_uri())

    def page() -> str:
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    dark = page()
    browser.find_element("id", "theme").click()
    light = page()
    assert light != dark
    browser.refresh()
    assert page() == light


# Whether an element of just this text is seen, neither scrolled away nor covered.
IN_SIGHT = """
return [...document.querySelectorAll('span, div')].some(element => {
  if (element.textContent !== arguments[0]) return false;
  const box = element.getBoundingClientRect();
  const seen = document.elementFromPoint(box.right - 2, box.top + box.height / 2);
  return seen !== null && (seen.contains(element) || element.contains(seen));
})"""


@pytest.fixture
def address(store: Path) -> Iterator[str]:
    """Where `prefens.ui` says that the table of runs is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "prefens.ui", f"port={port}"]
    server = subprocess.Popen(line, cwd=store, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found
        for _ in range(240):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        yield found.group(0)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def test_the_runs_table_opens_with_scores_and_shows_the_report(address: str, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(browser, 60)
    show(browser, WIDE, "light")
    browser.get(address)
    page = "return document.body.innerText"
    wait.until(lambda _: "blend of 2" in browser.execute_script(page))
    shown = browser.execute_script(page)
    assert all(name in shown for name in ("oof_log_loss", "oof_accuracy", "style-", "textcnn-"))
    assert "fold 0" not in shown  # folds are nested below their members
    assert browser.execute_script(IN_SIGHT, "oof_log_loss")  # also where MLflow's assistant takes its third
    shoot(browser, "mlflow-runs")
    blend = next(link for link in browser.find_elements("css selector", "a") if link.text == "blend of 2")
    run = blend.get_attribute("href")
    browser.get(run)
    wait.until(lambda _: "Datasets" in browser.execute_script(page) and "Out-of-fold" in browser.execute_script(page))
    assert "preference pairs" in browser.execute_script(page)
    shoot(browser, "mlflow-blend")
    browser.get(f"{run}/artifacts/report.html")
    wait.until(lambda _: browser.find_elements("css selector", "iframe"))
    browser.switch_to.frame(browser.find_element("css selector", "iframe"))
    wait.until(lambda _: browser.find_elements("css selector", "#leaderboard table"))
    browser.switch_to.default_content()
    shoot(browser, "mlflow-report")
    unknown = [message for message in errors(browser) if "users/current" not in message]  # MLflow asks who is there
    assert unknown == []


def test_the_docs_are_searched_without_a_server(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    build = [sys.executable, "-m", "mkdocs", "build", "-q", "--site-dir", str(tmp_path)]
    subprocess.run(build, cwd=Path(__file__).parent.parent, check=True, capture_output=True)
    browser.get((tmp_path / "index.html").as_uri())
    query = browser.find_element("css selector", "[data-md-component=search-query]")
    browser.execute_script("arguments[0].focus()", query)
    query.send_keys("launchers")
    WebDriverWait(browser, 60).until(
        lambda _: "Launchers" in browser.find_element("css selector", ".md-search-result").text
    )
    assert errors(browser) == []

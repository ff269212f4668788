"""A browser for all tests, and for each test a page that looks at an ensemble played by the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.panel import Panel

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One headless Chromium; by module, because its loop must be gone before tests that bring their own."""
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def size() -> tuple[int, int]:
    """The window; a test module or test may choose another."""
    return 1440, 900


@pytest.fixture
def page(chromium: Browser, size: tuple[int, int]) -> Iterator[Page]:
    """A page of its own, light, with nothing remembered."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    context.set_default_timeout(8000)
    yield context.new_page()
    context.close()


@pytest.fixture
def panel(page: Page) -> Iterator[Panel]:
    """The panel in the page. No test may leave an error, a foreign request or a breach of the policy behind."""
    made = Panel(page)
    yield made
    assert made.complaints == []

"""The documentation as a site, as a reader sees it in a browser."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pack_db
import pack_db_client
from tests.support.daemon_process import PATIENCE_S

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 390)  # pixels of a desktop and of a phone

# Opens each page in frames of these widths, and says which of them can be scrolled sideways.
LOOK = """
<!doctype html><title>look</title><pre id="found"></pre><script>
const wide = [];
async function look(path, width) {
    const frame = document.createElement("iframe");
    frame.width = width;
    frame.height = 900;
    frame.src = path;
    const loaded = new Promise(resolve => frame.onload = resolve);
    document.body.append(frame);
    await loaded;
    const page = frame.contentDocument.documentElement;
    if (page.scrollWidth > page.clientWidth) wide.push([path, width, page.scrollWidth]);
    frame.remove();
}
async function all() {
    for (const path of PAGES) for (const width of WIDTHS) await look(path, width);
    document.getElementById("found").textContent = JSON.stringify({wide, looked: PAGES.length});
}
all();
</script>
"""


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        for name in ("src", "href"):
            if name in found and tag in ("img", "script", "link", "source", "iframe"):
                self.sources.append(found[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(DOCS, project / "docs")
    shutil.copy(ROOT / "zensical.toml", project)
    for name in ("pack_db", "client", "daemon", "examples", ".env.example"):
        (project / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return project / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_page_is_in_the_navigation(site: Path) -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())

    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
            return
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from files(part)

    listed = sorted(files(settings["project"]["nav"]))
    assert listed == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_no_link_is_dead(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # it is shown at any address, and its links begin at the root
        for link in (*page.links, *page.sources):
            if re.match(r"[a-z]+:|#__", link):
                continue
            address, _, anchor = link.partition("#")
            target = (path.parent / address).resolve() if address else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or (anchor and anchor not in pages[target].ids):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert not dead


def test_nothing_is_fetched_from_elsewhere(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        assert not [source for source in page.sources if re.match("(https?:)?//", source)]


@pytest.mark.parametrize("module", [pack_db, pack_db_client], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module: ModuleType, pages: dict[Path, Page]) -> None:
    ids = {name for path, page in pages.items() if "reference" in path.parts for name in page.ids}
    names = getattr(module, "__all__", None) or [*module._MODULES]
    missing = []
    for name in names:
        value = getattr(module, name)
        if f"{value.__module__}.{value.__qualname__}" not in ids:
            missing.append(name)
    assert len(names) > 20
    assert not missing


def test_the_footer_has_the_version(site: Path) -> None:
    assert f"pack-db {pack_db.__version__}" in (site / "index.html").read_text()


@pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
)
def test_in_a_browser_no_page_is_too_wide_or_has_an_error(
    site: Path, pages: dict[Path, Page], tmp_path: Path
) -> None:
    paths = [str(path.relative_to(site).parent / "") for path in pages if path.stem == "index"]
    script = LOOK.replace("PAGES", json.dumps([f"/{path}/" for path in paths]))
    (site / "look.html").write_text(script.replace("WIDTHS", json.dumps(WIDTHS)))
    serve = partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            done = subprocess.run(
                [
                    *(str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu"),
                    *("--no-proxy-server", f"--user-data-dir={tmp_path}", "--dump-dom"),
                    *("--enable-logging=stderr", f"--virtual-time-budget={300_000}"),
                    f"http://127.0.0.1:{server.server_port}/look.html",
                ],
                capture_output=True,
                text=True,
                timeout=4 * PATIENCE_S,
            )
        finally:
            server.shutdown()
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert found, done.stdout[-1000:] + done.stderr[-3000:]
    assert json.loads(found[1]) == {"wide": [], "looked": len(paths)}
    assert "CONSOLE" not in done.stderr, done.stderr


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

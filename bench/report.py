"""How large the page of a report is and how quick, at full size: 6 branches, 509 advisories, 60 releases.

The page is made, opened in a headless Chromium and filtered there. Drawn is what the browser has loaded, laid out and
painted twice after. A filter takes the time of the page's thread until the frame with its rows is done; what others do
on the machine meanwhile does not count there. The best of the rounds counts. Run it with `python bench/report.py`;
`--json FILE` hands the figures over.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.measured import Accepted, Measured, Missing, main

from tests.report import views
from tests.support import browser
from xenbump.report import html

ROUNDS = 5
MOST_BYTES, MOST_DRAWN, MOST_FILTER = 2_000_000, 1000.0, 50.0
SCREEN = Accepted(
    80.0,
    "styles and layout take 25 ms and the script 3; the rest is the painting of one screen of letters, which a browser"
    " without a graphics processor does by hand, and differs from run to run (40 to 70 ms)",
)
GIVEN = "6 branches, 509 advisories, 60 releases"
PAINTED = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""
# Letters of a word, choices, and back to all.
CHOICES = [("which", "all"), ("search", "x"), ("search", "x8"), ("search", "x86"), ("search", ""), ("which", "open"),
           ("which", "patched"), ("branch", "4.20"), ("branch", ""), ("which", "matter"), ("which", "all")]  # fmt: skip
CHOOSE = """new Promise((done) => {{
  const one = document.getElementById("{0}"), shown = new MessageChannel();
  one.value = "{1}";
  one.dispatchEvent(new Event("input", {{ bubbles: true }}));
  shown.port1.onmessage = () => done(0);
  requestAnimationFrame(() => shown.port2.postMessage(0));
}})"""


def busy(running: browser.Browser) -> float:
    """Return the milliseconds that the page's thread has worked."""
    told = {one["name"]: one["value"] for one in running.call("Performance.getMetrics")["metrics"]}
    return float(told["TaskDuration"]) * 1000


def filters(running: browser.Browser) -> list[float]:
    """Return the milliseconds that each choice takes."""
    times = []
    for name, value in CHOICES:
        running.run(PAINTED)
        begin = busy(running)
        running.run(CHOOSE.format(name, value))
        times.append(busy(running) - begin)
    return times


def measure() -> list[Measured]:
    """Measure and print."""
    program = browser.found()
    if program is None:
        raise Missing("there is no Chromium here")
    begin = time.perf_counter()
    text = html.page(views.large())
    made = time.perf_counter() - begin
    size = len(text.encode())
    drawn, filtered = [], []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(text, "utf-8")
        with browser.Browser(program, Path(folder) / "profile") as running:
            running.call("Performance.enable", timeDomain="threadTicks")
            running.look()
            for _ in range(ROUNDS):
                running.open(f"file://{page}")
                drawn.append(running.run(PAINTED))
                filtered.append(filters(running))
            assert running.complaints == []
    slowest = max(min(times) for times in zip(*filtered, strict=True))
    print(f"made in            {made:7.2f} s")
    print(f"size               {size / 1e6:7.2f} MB (limit {MOST_BYTES / 1e6:.0f} MB)")
    print(f"drawn after        {min(drawn):7.0f} ms (limit {MOST_DRAWN:.0f} ms)")
    print(f"slowest filter     {slowest:7.1f} ms (limit {MOST_FILTER:.0f} ms)")
    return [
        Measured("Size of the page of a report", "", size / 1e6, MOST_BYTES / 1e6, unit="MB", given=GIVEN),
        Measured("Until it is drawn", "", min(drawn), MOST_DRAWN, unit="ms", given=GIVEN),
        Measured("Its slowest filter", "", slowest, MOST_FILTER, unit="ms", given=GIVEN, accepted=SCREEN),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))

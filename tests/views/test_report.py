"""The page: whole, valid, small, and harmless whatever a study's texts hold."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.runs import confirmed, recorded, study_record
from tuner import language
from tuner.evidence.conclude import conclude
from tuner.evidence.summary import Summary, summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun, StudyFacts
from tuner.views import plots, rows
from tuner.views.plots import Axis, Distribution, Row
from tuner.views.report import report
from tuner.worker.facts import ProbeFacts
from tuner.worker.protocol import Outcome

VOID = {"meta", "br"}


class Balanced(HTMLParser):
    """Collects tags that were not closed in their order, and everything that is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "img", "link", "object"):
            self.fetched.append(tag)
        self.fetched += [name for name, _ in attrs if name in ("src", "href") or name[:2] == "on"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed in itself."""

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def parsed(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    return parser


def a_study(model: str = "m", **changes: Any) -> Summary:
    """Search over two knobs and batch sizes, confirmed."""
    runs: list[RecordedRun] = []
    for number, (mode, spin, threads, batch) in enumerate(
        [
            (m, s, t, b)
            for m in ("unset", "fast")
            for s in ("unset", "on")
            for t in ("unset", 1, 3, 4)
            for b in (1, 8)
        ]
    ):
        ms = (4.0 if mode == "fast" else 10.0) * (1 + 0.01 * (number % 3)) * batch**0.5
        batches = {"mode": mode, "spin": spin, "threads": threads, "batch_size": batch}
        runs.append(recorded(number, ms, Outcome.OK, None, **batches))

    def answer(step: Any) -> float:
        return 4.0 if step.configuration["mode"] == "fast" else 10.0

    summary = confirmed(runs, answer)[1]
    record = replace(summary.study, setup={**summary.study.setup, "model": model}, **changes)
    return replace(summary, study=record)


def test_the_page_is_whole_and_fetches_nothing() -> None:
    page = report([a_study()])
    parser = parsed(page)
    assert (parser.open, parser.wrong, parser.fetched) == ([], [], [])
    assert "http" not in page
    for heading in ("the search", "effect of each knob", "batch size", "noise", "environment"):
        assert f"<h3>{heading}</h3>" in page
    assert "faster: 2.50x" in page
    assert "mportance" not in page
    # distributions, history, effects, two curves
    assert page.count("<svg") == 5


def test_the_page_has_the_tables_of_the_terminal() -> None:
    summary = a_study()
    result, page = conclude(summary), report([summary])
    tables = [rows.figures(result.evidence), rows.knobs(result), rows.finalists(result.finalists)]
    cells = [cell for table in tables for row in [table.headers, *table.rows] for cell in row]
    assert len(tables[2].rows) > 1
    assert {cell for cell in cells if html.escape(cell) not in page} == set()
    assert page.count("* from single runs of the search, not confirmed") == 1


def test_a_study_of_one_run_has_a_page_too() -> None:
    page = report([summarize(study_record(), [recorded(0, 10)])])
    assert (parsed(page).open, parsed(page).wrong) == ([], [])
    assert page.count("<svg") == 2


def test_texts_of_a_study_are_texts() -> None:
    evil = "<script>alert('x')</script>\" onload=\"y"
    bad = recorded(99, 1.0, Outcome.CRASHED, mode="fast", spin="on")
    failed = replace(bad, run=replace(bad.run, result=replace(bad.run.result, message=evil)))
    good = [recorded(0, 10), recorded(1, 4, mode="fast")]
    summary = summarize(study_record(Setup(evil)), [*good, failed])
    page = report([summary])
    assert "<script>" not in page
    assert parsed(page).fetched == []
    assert page.count("&lt;script&gt;alert") == 2  # the model and the failure


def test_it_speaks_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_chosen", "zh")
    page = report([a_study()])
    assert '<html lang="zh">' in page
    assert "<h3>每个旋钮的效果</h3>" in page


def test_several_studies_are_compared_with_the_first() -> None:
    first, second = a_study(), a_study(name="later")
    page = report([first, second])
    assert "<h2>later against s</h2>" in page
    assert "not paired: the studies began" in page
    assert (parsed(page).open, parsed(page).wrong) == ([], [])


def test_emulated_figures_say_so() -> None:
    facts = StudyFacts(ProbeFacts(), {"emulated_cann": True})
    page = report([a_study(facts=facts)])
    assert page.count("emulated CANN: no figure below is a device") == 1


def test_an_axis_puts_values_in_their_place() -> None:
    axis = Axis(1.0, 100.0, log=True, first=0, last=100)
    assert [axis.at(v) for v in (1, 10, 100, 1000)] == [0, 50, 100, 100]
    assert Axis(0, 10, first=0, last=100).ticks() == [0, 2, 4, 6, 8, 10]
    assert axis.ticks() == [1, 2, 5, 10, 20, 50, 100]


def test_intervals_that_are_endless_stay_in_the_picture() -> None:
    figure = plots.intervals([Row("a", 1.2, 1e-9, 1e9)], "x", "t")
    places = [float(x) for x in re.findall(r'(?:x1|x2|cx)="([-\d.]+)"', figure)]
    assert all(0 <= x <= plots.WIDTH for x in places)


def test_equal_samples_make_a_picture() -> None:
    figure = plots.distributions([Distribution("a", (5.0,) * 9, (5.0,))], "ms", "t")
    assert figure.startswith("<svg")
    assert "nan" not in figure


def test_it_is_small() -> None:
    page = report([a_study()])
    assert len(page.encode()) < 1_000_000

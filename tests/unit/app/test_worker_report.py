"""What a supervised worker tells its supervisor, also across releases."""

from __future__ import annotations

import json

import pytest

from roadworthy.app.worker_report import MOST_LAST_WORDS, WorkerReport, read_report
from roadworthy.domain.ids import new_id


def test_a_report_arrives_as_it_was_sent():
    report = WorkerReport("ready", 7, (new_id(), new_id()), from_loop=False, last_words="no\nlicence \u2019")
    line = report.line()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_report(line) == report


def test_it_fits_into_a_socket_whatever_the_last_words_are():
    line = WorkerReport(last_words="\U0001f600" * 100_000).line()
    assert len(line) < 32_768
    assert len(read_report(line).last_words) == MOST_LAST_WORDS


def test_a_worker_of_another_release_may_say_more_or_less():
    line = json.dumps({"state": "ready", "mood": "good"}).encode()
    assert read_report(line) == WorkerReport("ready")


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{\n", b'{"workers": ["x"]}\n'])
def test_what_is_no_report(line: bytes):
    with pytest.raises(ValueError):
        read_report(line)

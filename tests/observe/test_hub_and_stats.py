"""Who is told, and what is counted."""

import logging

import pytest

from rotor_core._errors import ConfigError
from rotor_core._events import Answered, Failed, Selected
from rotor_core._outcome import Failure, Usage
from rotor_core.observe.hub import Hub
from rotor_core.observe.stats import Stats

SELECTED = Selected(1.0, "r", "main", 1, "a/m#1", "why", 1.0, 0.0)


def answered(seconds=0.5, usage=Usage(10, 5), cost=0.25):
    return Answered(1.0, "r", "main", 1, "a/m#1", usage, seconds, None, 0.0, cost, False)


def test_a_listener_hears_its_event_by_name_by_class_or_all():
    hub, heard = Hub(), []
    hub.on("selected", lambda e: heard.append("name"))
    hub.on(Selected, lambda e: heard.append("class"))
    hub.on("*", lambda e: heard.append("all"))
    hub.on("answered", lambda e: heard.append("other"))

    hub.emit(SELECTED)

    assert heard == ["name", "class", "all"]


def test_a_listener_that_is_taken_off_hears_no_more():
    hub, heard = Hub(), []
    off = hub.on("selected", heard.append)

    off()
    off()
    hub.emit(SELECTED)

    assert heard == []


def test_a_misspelt_event_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ConfigError, match="selected"):
        Hub().on("selekted", print)


def test_a_listener_that_raises_is_logged_and_disturbs_nobody(caplog):
    hub, heard = Hub(), []
    hub.on("selected", lambda e: 1 / 0)
    hub.on("selected", heard.append)

    with caplog.at_level(logging.ERROR, logger="rotor"):
        hub.emit(SELECTED)

    assert heard == [SELECTED]
    assert "a listener to 'selected' raised" in caplog.text


def test_answers_and_failures_are_counted_by_deployment():
    stats = Stats()
    for event in (
        SELECTED,
        answered(),
        answered(usage=None, cost=None),
        Failed(1.0, "r", "main", 1, "a/m#1", Failure("timeout"), 9.0),
    ):
        stats(event)

    row = stats.read("a/m#1")
    assert (row["requests"], row["failures"], row["tokens"], row["cost_usd"]) == (3, 1, 15, 0.25)
    assert row["latency_ms"]["ewma"] == 500.0


def test_a_deployment_that_did_nothing_has_a_clean_sheet():
    row = Stats().read("b/m#1")
    assert (row["requests"], row["latency_ms"]["p99"]) == (0, None)

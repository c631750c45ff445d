"""What a failure means, row by row."""

from typing import get_args

import pytest
from tests.kernel.made import deployment

from rotor_core._outcome import Failure, FailureKind
from rotor_core._policy.next_step import (
    REACTIONS,
    SCOPES,
    alike,
    backoff_seconds,
    blame,
    may_go_on,
    may_rest,
    rest_seconds,
)


def test_every_kind_of_failure_has_a_row():
    assert set(REACTIONS) == set(get_args(FailureKind))


def test_scopes_stand_in_the_order_of_an_options_scopes():
    assert SCOPES == ("deployment", "quota", "credential", "provider")


def test_a_told_wait_is_believed_to_the_second():
    assert rest_seconds(Failure("rate_limit", retry_after=213.84), 3, 0.9) == 213.84


@pytest.mark.parametrize("told", [0.0, -5.0])
def test_who_is_told_to_come_back_at_once_waits_a_moment_all_the_same(told):
    assert rest_seconds(Failure("rate_limit", retry_after=told), 1, 0.5) == 0.5


def test_a_spent_day_is_not_back_within_a_minute_whatever_it_says():
    day = Failure("quota_exhausted", per="day", retry_after=22.0)

    assert rest_seconds(day, 1, 0.5) == 3600.0
    assert rest_seconds(Failure("quota_exhausted", per="day", retry_after=90.0), 1, 0.5) == 90.0
    assert rest_seconds(Failure("quota_exhausted", retry_after=22.0), 1, 0.5) == 22.0


def test_an_untold_wait_doubles_with_each_attempt_and_varies_by_a_quarter():
    waits = [rest_seconds(Failure("rate_limit"), n, 0.5) for n in (1, 2, 3)]

    assert waits == [5.0, 10.0, 20.0]
    assert rest_seconds(Failure("rate_limit"), 1, 0.0) == 3.75
    assert rest_seconds(Failure("rate_limit"), 1, 1.0) == 6.25


def test_a_wait_told_where_none_is_to_be_believed_is_not():
    assert rest_seconds(Failure("auth", retry_after=1.0), 1, 0.5) == 3600.0


@pytest.mark.parametrize("kind", ["bad_request", "content_filter", "cancelled", "context_length", "too_large"])
def test_what_is_the_requests_own_fault_puts_nobody_to_rest(kind):
    assert rest_seconds(Failure(kind), 1, 0.5) is None


def test_the_last_attempt_is_the_last():
    assert may_go_on(Failure("server_error"), 2, 3)
    assert not may_go_on(Failure("server_error"), 3, 3)
    assert not may_go_on(Failure("bad_request"), 1, 3)


UNTOLD = ("overloaded", "server_error", "timeout", "connection", "unknown")


@pytest.mark.parametrize("kind", get_args(FailureKind))
def test_only_what_nobody_explained_is_held_against_a_deployment(kind):
    assert blame(Failure(kind)) == (kind if kind in UNTOLD else None)


@pytest.mark.parametrize("kind", ["overloaded", "server_error", "unknown"])
def test_who_says_when_to_come_back_rests_so_long_and_is_not_blamed(kind):
    told = Failure(kind, retry_after=7.0)

    assert blame(told) is None
    assert may_rest(told)
    assert rest_seconds(told, 1, 0.5) == 7.0
    assert not may_rest(Failure(kind))
    assert rest_seconds(Failure(kind), 1, 0.5) is None


def test_a_request_leaves_alone_who_failed_it_for_longer_each_time():
    assert [backoff_seconds(n, 0.5) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert (backoff_seconds(1, 0.0), backoff_seconds(1, 1.0)) == (0.375, 0.625)


def test_who_shares_what_failed_is_likely_to_fail_alike():
    failed, same_model, other_model = deployment("a"), deployment("a"), deployment("a", "x")
    elsewhere = deployment("b")
    everyone = [failed, other_model, elsewhere, same_model]

    assert alike(failed, everyone, "connection") == {"a/m#1", "a/x#1"}
    assert alike(failed, everyone, "server_error") == {"a/m#1"}
    assert alike(failed, everyone, "rate_limit") == set()

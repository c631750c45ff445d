"""The suite passes for an adapter that is right, and catches each of many that are not."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rotor_core.hookspecs import ProviderSpec
from rotor_core.sandbox.dialects.groq import Groq
from rotor_core.testing import AdapterSuite


class TestOpenAICompatible(AdapterSuite):
    provider = "openai-compatible"


class TestADialectOfOnesOwn(AdapterSuite):
    provider = ProviderSpec("groq", adapter="rotor_core.adapters.openai_compatible:OpenAICompatible")
    dialect = Groq()


MUTANTS = {
    # what is wrong with it: (the adapter, the tests of the suite that have to notice)
    "it loses the usage of whole answers": (
        """
        class Wire(OpenAIWire):
            def decode(self, content, headers):
                return replace(super().decode(content, headers), usage=None)
        """,
        "usage_is_what_the_provider_counted",
    ),
    "it does not ask for the usage of streams": (
        """
        class Wire(OpenAIWire):
            def adapt(self, body, model, request):
                body.pop("stream_options", None)
                return body
        """,
        "a_streams_usage_is_what_the_provider_counted",
    ),
    "it takes a stream that breaks off for a whole one": (
        """
        class Acme(OpenAICompatible):
            def stream(self, deployment, request, *, timeouts):
                try:
                    yield from super().stream(deployment, request, timeouts=timeouts)
                except ProviderError:
                    yield Chunk(finish_reason="stop")
        """,
        "a_stream_that_breaks_never_looks_whole",
    ),
    "it shows the key in its errors": (
        """
        class Acme(OpenAICompatible):
            def call(self, deployment, request, *, timeout):
                try:
                    return super().call(deployment, request, timeout=timeout)
                except ProviderError as error:
                    raise ProviderError(f"{error} (key {deployment.credential.secret.reveal()})", error.failure) from None
        """,
        "a_secret_that_the_provider_repeats_is_not_shown",
    ),
    "it calls every failure a server's": (
        """
        class Acme(OpenAICompatible):
            def call(self, deployment, request, *, timeout):
                try:
                    return super().call(deployment, request, timeout=timeout)
                except ProviderError as error:
                    error.failure = replace(error.failure, kind="server_error")
                    raise
        """,
        "a_limit_that_is_reached_is_a_rate_limit",
    ),
    "it loses how long to wait": (
        """
        class Acme(OpenAICompatible):
            def call(self, deployment, request, *, timeout):
                try:
                    return super().call(deployment, request, timeout=timeout)
                except ProviderError as error:
                    error.failure = replace(error.failure, retry_after=None)
                    raise
        """,
        "how_long_to_wait_is_understood",
    ),
    "it never gives up": (
        """
        class Acme(OpenAICompatible):
            def call(self, deployment, request, *, timeout):
                return super().call(deployment, request, timeout=4.0)
        """,
        "who_says_nothing_is_given_up_in_time",
    ),
    "it says each finish reason twice": (
        """
        class Acme(OpenAICompatible):
            def stream(self, deployment, request, *, timeouts):
                for chunk in super().stream(deployment, request, timeouts=timeouts):
                    yield chunk
                    if chunk.finish_reason:
                        yield chunk
        """,
        "a_stream_ends_once_and_nothing_comes_after_its_end",
    ),
    "it gives all of a stream at once": (
        """
        class Acme(OpenAICompatible):
            def stream(self, deployment, request, *, timeouts):
                answer = self.call(deployment, request, timeout=timeouts.total)
                yield Chunk(answer.text, finish_reason=answer.finish_reason, usage=answer.usage, headers=answer.headers)
        """,
        "a_stream_says_what_the_whole_answer_says",
    ),
    "it makes one call of several": (
        """
        class Wire(OpenAIWire):
            def decode(self, content, headers):
                answer = super().decode(content, headers)
                return replace(answer, tool_calls=answer.tool_calls[:1])
        """,
        "several_tools_are_called_at_once",
    ),
    "it forgets the tools' answers": (
        """
        class Wire(OpenAIWire):
            def adapt(self, body, model, request):
                body["messages"] = [m for m in body["messages"] if m["role"] != "tool" and not m.get("tool_calls")]
                return body
        """,
        "the_tools_answers_go_back_and_are_used",
    ),
    "it changes the caller's messages": (
        """
        class Wire(OpenAIWire):
            def adapt(self, body, model, request):
                for message in request.messages:
                    message["role"] = message["role"].replace("system", "user")
                return body
        """,
        "a_request_is_not_changed",
    ),
    "it drops images": (
        """
        class Wire(OpenAIWire):
            def adapt(self, body, model, request):
                for n, message in enumerate(body["messages"]):
                    if isinstance(message["content"], list):
                        kept = [part for part in message["content"] if part["type"] == "text"]
                        body["messages"][n] = {**message, "content": kept}
                return body
        """,
        "an_image_arrives",
    ),
    "it loses the headers": (
        """
        class Wire(OpenAIWire):
            def decode(self, content, headers):
                return super().decode(content, {})
        """,
        "what_headers_tell_of_limits_is_understood",
    ),
    "its async face asks for another model": (
        """
        class Acme(OpenAICompatible):
            async def acall(self, deployment, request, *, timeout):
                other = replace(deployment, model=Model("suite-nowhere"))
                return await super().acall(other, request, timeout=timeout)
        """,
        "a_question_is_answered",
    ),
    "it keeps the connection when a call is cancelled": (
        """
        class Acme(OpenAICompatible):
            async def acall(self, deployment, request, *, timeout):
                return await asyncio.shield(super().acall(deployment, request, timeout=timeout))
        """,
        "a_call_that_is_cancelled_ends_at_once_and_leaves_nothing",
    ),
    "it cannot be used after it was closed": (
        """
        class Acme(OpenAICompatible):
            closed = False

            def call(self, deployment, request, *, timeout):
                assert not self.closed, "it is closed"
                return super().call(deployment, request, timeout=timeout)

            def close(self):
                self.closed = True
                super().close()
        """,
        "closing_twice_changes_nothing_and_a_later_call_opens_anew",
    ),
}

HEAD = """
import asyncio
from dataclasses import replace
from rotor_core import Chunk, Model, ProviderError, ProviderSpec
from rotor_core.adapters.openai_compatible import OpenAICompatible, OpenAIWire
from rotor_core.testing import AdapterSuite
"""

MADE = """
class TestMutant{number}(AdapterSuite):
    provider = ProviderSpec("acme", adapter=adapter_{number})
"""


def _module() -> str:
    """All mutants in one module: each in a function of its own, which gives its adapter, with a suite for it."""
    parts = [HEAD]
    for number, (source, _) in enumerate(MUTANTS.values()):
        body = textwrap.indent(textwrap.dedent(source), "    ")
        own = "" if "class Acme" in source else "    class Acme(OpenAICompatible):\n        wire = Wire()\n"
        parts.append(f"def adapter_{number}():{body}{own}    return Acme()\n{MADE.format(number=number)}")
    return "\n".join(parts)


@pytest.fixture(scope="module")
def noticed(tmp_path_factory):
    """The tests that failed, one run for all mutants: each against the test that has to notice it."""
    where = tmp_path_factory.mktemp("mutants")
    (where / "test_acme.py").write_text(_module())
    chosen = [f"test_acme.py::TestMutant{n}::test_{caught_by}" for n, (_, caught_by) in enumerate(MUTANTS.values())]
    outcome = _pytest(where, *chosen)
    assert outcome.returncode == 1, outcome.stdout[-2000:] + outcome.stderr[-2000:]
    return set(re.findall(r"^FAILED test_acme\.py::(\w+::\w+)", outcome.stdout, re.MULTILINE))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_an_adapter_that_is_wrong_is_caught(mutant, noticed):
    number = list(MUTANTS).index(mutant)

    assert f"TestMutant{number}::test_{MUTANTS[mutant][1]}" in noticed


@pytest.mark.parametrize("caught_by", sorted({caught_by for _, caught_by in MUTANTS.values()}))
def test_what_catches_the_wrong_ones_is_a_test_that_the_right_one_passes(caught_by):
    assert hasattr(TestOpenAICompatible, f"test_{caught_by}")


def test_a_suite_that_does_not_say_whose_adapter_it_is_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="provider = ProviderSpec"):
        AdapterSuite().make_adapter()


def test_a_test_of_what_a_provider_cannot_do_is_skipped_with_the_reason():
    class Suite(AdapterSuite):
        provider = "openai-compatible"
        capabilities = frozenset({"tools"})

    with pytest.raises(pytest.skip.Exception, match="openai-compatible is not held to vision here"):
        Suite().needs("tools", "vision")


def _pytest(where: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """pytest over a folder of its own, as a stranger runs it: none of our settings, and no plugins but its own."""
    quiet = ("-q", "--tb=no", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(where))
    return subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, *tests],
        cwd=where,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

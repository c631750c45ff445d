"""Whose an entry is that names no key of its own: a credential of LiteLLM's list, or an account at a cloud."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

import litellm
import pytest
from litellm.types.utils import CredentialItem
from tests.litellm.made import FREE, HELLO, by, router

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm import settling
from rotor_litellm.hidden import hidden_of, tells
from rotor_litellm.roster import Roster
from rotor_litellm.settling import error_of

ACCOUNTS: dict[str, list[dict[str, Any]]] = {
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0": [
        {"aws_region_name": "us-east-1"},
        {"aws_region_name": "eu-west-1"},
        {"aws_access_key_id": "AKONE", "aws_secret_access_key": "first-secret-of-aws"},
        {"aws_access_key_id": "AKTWO", "aws_secret_access_key": "second-secret-of-aws"},
    ],
    "vertex_ai/gemini-2.0-flash": [
        {"vertex_project": "first", "vertex_location": "us-central1"},
        {"vertex_project": "second", "vertex_location": "us-central1"},
        {"vertex_credentials": {"client_email": "one@example.invalid"}},
    ],
    "azure/gpt-4o": [
        {"api_base": "https://one.example.invalid", "tenant_id": "t", "client_id": "one"},
        {"api_base": "https://one.example.invalid", "tenant_id": "t", "client_id": "two"},
        {"api_base": "https://one.example.invalid", "azure_ad_token": "token-of-a-third"},
    ],
    "openai/gpt-4o-mini": [{"organization": "one"}, {"organization": "two"}, {"litellm_credential_name": "unheard-of"}],
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_API_KEY", "BEDROCK_API_KEY", "VERTEX_AI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(litellm, "credential_list", [])


def written(ident: str, **params: Any) -> dict[str, Any]:
    return {"model_name": "lab", "litellm_params": params, "model_info": {"id": ident, "rotor": {"price": FREE}}}


def credential(name: str, **values: Any) -> CredentialItem:
    return CredentialItem(credential_name=name, credential_values=values, credential_info={})


def named(box: Sandbox, *names: str) -> list[dict[str, Any]]:
    """Entries of the sandbox's model, each by a credential's name, and the first one preferred."""
    found = [written(name, model="openai/m", litellm_credential_name=name) for name in names]
    for place, one in enumerate(found, 1):
        one["model_info"]["rotor"]["priority"] = place
    return found


@pytest.mark.parametrize("model", ACCOUNTS)
def test_accounts_without_a_key_are_credentials_of_their_own(model: str):
    roster = Roster({"version": 1})
    entries = [written(str(n), model=model, **account) for n, account in enumerate(ACCOUNTS[model])]
    again = [written(f"again {n}", model=model, **account) for n, account in enumerate(ACCOUNTS[model])]

    seats = roster.refreshed([*entries, *again]).catalog.deployments

    one = [seats[str(n)].credential.fingerprint for n in range(len(entries))]
    other = [seats[f"again {n}"].credential.fingerprint for n in range(len(entries))]
    assert len(set(one)) == len(entries)
    assert one == other
    assert len({seats[str(n)].credential.quota for n in range(len(entries))}) == len(entries)
    shown = repr(list(seats.values())) + repr([d.credential for d in seats.values()])
    assert not any(secret in shown for secret in ("first-secret-of-aws", "token-of-a-third", "one@example.invalid"))


async def test_a_credential_that_is_refused_leaves_those_of_other_names(box: Sandbox):
    litellm.credential_list = [
        credential("bad", api_key="nonsense-key-0000", api_base=box.url("one")),
        credential("good", api_key=box.key("one"), api_base=box.url("one")),
    ]
    r = router(*named(box, "bad", "good"))
    strategy = rotor_litellm.install(r)

    answered = [by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) for _ in range(2)]

    assert answered == ["good", "good"]
    assert box.summary()["by_status"] == {"401": 1, "200": 2}
    deployments = strategy.roster.engine.catalog.deployments
    assert deployments["good"].credential.secret.reveal() == box.key("one")
    assert deployments["good"].provider.base_url == box.url("one").rstrip("/")


async def test_a_credential_that_is_replaced_is_another_one_and_the_same_one_again_is_not(box: Sandbox):
    litellm.credential_list = [credential("mine", api_key="nonsense-key-0000", api_base=box.url("one"))]
    r = router(*named(box, "mine"), num_retries=0, disable_cooldowns=True)
    strategy = rotor_litellm.install(r)
    with pytest.raises(litellm.AuthenticationError):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    litellm.credential_list[0] = credential("mine", api_key=box.key("one"), api_base=box.url("one"))
    assert by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) == "mine"
    engine = strategy.roster.engine
    litellm.credential_list[0] = credential("mine", api_key=box.key("one"), api_base=box.url("one"))
    assert by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) == "mine"

    assert strategy.roster.engine is engine


PEM = "-----BEGIN PRIVATE KEY-----\nTHEFIRSTLINEOFAPRIVATEKEY0000000\nTHESECONDLINEOFAPRIVATEKEY000000\n-----END PRIVATE KEY-----\n"
SERVICE = {
    "type": "service_account",
    "project_id": "the-project",
    "private_key": PEM,
    "token_uri": "https://token.invalid",
}
SECRETS: list[tuple[dict[str, Any], str]] = [
    ({"aws_access_key_id": "AKONE123", "aws_secret_access_key": "secret-of/aws+="}, "secret-of/aws+="),
    ({"aws_session_token": "session-of-aws"}, "session-of-aws"),
    ({"vertex_credentials": json.dumps(SERVICE)}, PEM.strip()),
    ({"vertex_credentials": json.dumps(SERVICE)}, json.dumps(SERVICE)),
    ({"vertex_credentials": SERVICE}, "THEFIRSTLINEOFAPRIVATEKEY0000000"),
    ({"azure_ad_token": "token-of-a-directory"}, "token-of-a-directory"),
    ({"client_id": "one", "client_secret": "secret-of-a-client"}, "secret-of-a-client"),
    ({"azure_password": "pass word 1"}, "pass word 1"),
    ({"extra_headers": {"X-Api-Key": "key-in-a-header", "Authorization": "Bearer bearer-token"}}, "key-in-a-header"),
    ({"extra_headers": {"X-Api-Key": "key-in-a-header", "Authorization": "Bearer bearer-token"}}, "bearer-token"),
    ({"zen_api_key": "os.environ/ZEN_OF_ROTOR"}, "key-of-the-environment"),
    ({"litellm_credential_name": "mine"}, "token-of-the-list"),
]


@pytest.mark.parametrize(("account", "secret"), SECRETS)
async def test_what_an_account_authenticates_with_stands_nowhere_though_its_provider_quotes_it(
    account: dict[str, Any], secret: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("ZEN_OF_ROTOR", "key-of-the-environment")
    monkeypatch.setattr(litellm, "credential_list", [credential("mine", aws_session_token="token-of-the-list")])
    caplog.set_level(logging.DEBUG, logger="rotor")
    text = f"denied in the-project: <{secret}> and {secret!r}"
    r = router(written("a", model="openai/m", mock_response=Exception(text), **account), num_retries=0)
    strategy = rotor_litellm.install(r)
    events: list[Any] = []
    strategy.rotor.on("*", events.append)
    errors: list[Any] = []
    monkeypatch.setattr(settling, "error_of", lambda *given: errors.append(error_of(*given)) or errors[-1])

    with pytest.raises(litellm.InternalServerError):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    said = next(event for event in events if event.name == "failed").failure.message
    told = [repr(events), repr(strategy.rotor.status()), str(strategy.rotor.explain("lab")), caplog.text]
    told += [f"{error} {error!r} {error.failure} {error.body} {dict(error.headers)}" for error in errors]
    told += ["".join(traceback.format_exception(error)) for error in errors]
    assert "denied in the-project: <**********> and" in said
    parts = [line for line in secret.splitlines() if not line.startswith("-----")]
    assert not any(part in shown for shown in told for part in parts)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("aws_secret_access_key", True), ("vertex_credentials", True), ("X-Api-Key", True), ("clientSecret", True),
        ("oci_key", True), ("private_key_id", True), ("Authorization", True), ("password", True),
        ("litellm_credential_name", False), ("oci_key_file", False), ("token_uri", False), ("auth_type", False),
        ("tokenizer", False), ("max_tokens", False), ("region_name", False), ("keywords", False), ("", False),
    ],
)  # fmt: skip
def test_a_fields_words_say_whether_it_holds_a_secret(name: str, is_one: bool):
    assert tells(name) is is_one


def test_what_is_short_or_a_file_s_name_stays_in_messages():
    params = {
        "token": "short",
        "vertex_credentials": "/etc/rotor/account.json",
        "input_cost_per_token": 1,
        "api_key": "a" * 8,
    }

    assert [secret.reveal() for secret in hidden_of(params)] == ["a" * 8]


def test_what_looks_like_json_and_is_none_is_hidden_as_it_stands_and_a_key_line_by_line():
    params = {
        "vertex_credentials": "{not quite json",
        "oci_key": "-----BEGIN-----\nfirst-line\nsecond-line\n-----END-----",
    }

    found = [secret.reveal() for secret in hidden_of(params)]

    assert found == ["{not quite json", params["oci_key"], "first-line", "second-line"]


def test_a_mapping_that_holds_itself_comes_to_an_end():
    params: dict[str, Any] = {"token": "token-of-a-ring"}
    params["more"] = params

    assert [secret.reveal() for secret in hidden_of(params)] == ["token-of-a-ring"]


def test_a_secret_that_an_entry_names_by_its_variable_is_the_variables_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZEN_OF_ROTOR", "key-of-the-environment")
    params = {"zen_api_key": "os.environ/ZEN_OF_ROTOR", "token": "os.environ/NO_SUCH_VARIABLE"}

    assert [secret.reveal() for secret in hidden_of(params)] == ["key-of-the-environment"]

"""Cassettes: recorded exchanges in VCR's format, replayed without a network, every one of them, in their order.

    with Cassettes(folder).play("chat"):
        ...     # what was not recorded fails at once; what was recorded and is not asked for fails at the end

Whoever records says against what; the file says it too. A recording that would hold a secret is not written. It needs
vcrpy, which Rotor itself does not: `pip install vcrpy`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import yaml

from rotor_core.testing import cassette_rules as rules

_MATCH: Final = ("method", "uri", "rotor_body")
_VOLATILE: Final = frozenset({"date"})


class CassetteError(AssertionError):
    """A cassette is not there, was not played to its end, or must not be written: what, and what to do."""


@dataclass(slots=True)
class Tape:
    """A cassette while it plays. `understood`: what Rotor made of each answer when it was recorded."""

    path: Path
    understood: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True, slots=True)
class Recording:
    """How a cassette comes about. `place` is where the exchanges really go, `base_url` what stands for it in the file.

    `against`: who answers, in words. `date`: the day (ISO). `secrets`: texts that are never written. `last`: how many
    exchanges are kept, from the end; None for all.
    """

    against: str
    date: str
    place: str = ""
    base_url: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    last: int | None = None


Converse = Callable[[str, Callable[[dict[str, Any]], object]], object]


class Cassettes:
    """One folder of them. `hosts`: domains that their texts may speak of beside their provider's own."""

    def __init__(self, folder: Path, *, hosts: Sequence[str] = ()) -> None:
        self.folder, self.hosts = folder, tuple(hosts)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"

    def names(self) -> list[str]:
        """The cassettes that there are, in order."""
        return sorted(path.stem for path in self.folder.glob("*.yaml"))

    def problems(self) -> list[str]:
        """What is wrong with the files as they lie there: secrets, headers off the list, foreign hosts, no provenance."""
        found: list[str] = []
        for name in self.names():
            path = self.path(name)
            try:
                document = yaml.safe_load(path.read_text("utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                found.append(f"{path}: cannot be read: {' '.join(str(error).split())}")
                continue
            found += [f"{path}: {problem}" for problem in rules.problems(document, self.hosts)]
        return found

    @contextmanager
    def play(self, name: str) -> Generator[Tape, None, None]:
        """Replay one: requests are matched by method, URL and body (as JSON), each answer is given once.

        Raises CassetteError for one that is not there, for a request that is not in it, and for one that
        was played only in part.
        """
        path = self.path(name)
        if not path.exists():
            raise CassetteError(f"there is no cassette {path}: record it")
        document = yaml.safe_load(path.read_text("utf-8"))
        with _playing(path):
            yield Tape(path, list(document.get("understood") or ()))

    def record(self, name: str, recording: Recording, converse: Converse) -> None:
        """Record one anew. The file is left as it is where the exchanges are the same.

        `converse` has the conversation at the base URL that it is given, and hands on what it understood: once where
        the provider is, once more with what was recorded of it. Raises CassetteError where something was recorded that
        must not be written, and whatever `converse` raises; the old file stays.
        """
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        try:
            document = _recorded(draft, recording, converse)
            draft.write_text(_dumped(document), "utf-8")
            understood: list[dict[str, Any]] = []
            with _playing(draft):
                converse(recording.base_url, understood.append)
        finally:
            draft.unlink(missing_ok=True)
        document["understood"] = understood
        found = rules.problems(document, self.hosts)
        if found:
            raise CassetteError(f"{path} is not written: {'; '.join(found)}")
        if not self._is_there(path, document):
            path.write_text(_dumped(document), "utf-8")

    def _is_there(self, path: Path, document: dict[str, Any]) -> bool:
        """Whether the file holds these exchanges already, from the same place: a new day alone is no reason to change it."""
        try:
            old = yaml.safe_load(path.read_text("utf-8"))
        except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError):
            return False
        return not rules.problems(old, self.hosts) and bool(_lasting(old) == _lasting(document))


@contextmanager
def _playing(path: Path) -> Generator[None, None, None]:
    recorder = _recorder(_Form(), rules.scrubbed, rules.scrubbed_url)
    unknown: type[Exception] = import_module("vcr.errors").CannotOverwriteExistingCassetteException
    with recorder.use_cassette(str(path), record_mode="none") as tape:
        try:
            yield
        except unknown as error:
            asked: Any = getattr(error, "failed_request", None)
            what = f"{asked.method} {rules.scrubbed_url(asked.uri)}" if asked else "a request"
            raise CassetteError(
                f"{path} does not hold {what} as it was made, or not once more: record it again if that is meant"
            ) from error
        played, whole = int(tape.play_count), len(tape)
    if played < whole:
        raise CassetteError(
            f"{path} was played in part: {played} of {whole} exchanges. Ask for the rest, or record it again"
        )


def _recorded(draft: Path, recording: Recording, converse: Converse) -> dict[str, Any]:
    """What was exchanged, as it is to stand in a file."""
    form = _Form()

    def clean(text: str) -> str:
        return rules.scrubbed(_moved(text, recording), recording.secrets)

    def clean_url(url: str) -> str:
        return rules.scrubbed_url(_moved(url, recording), recording.secrets)

    with _recorder(form, clean, clean_url).use_cassette(str(draft), record_mode="all"):
        converse(recording.place or recording.base_url, _nobody)
    if form.document is None:
        raise CassetteError(f"{draft.with_suffix('.yaml')} is not written: nothing was exchanged")
    exchanges = form.document["interactions"]
    kept = exchanges[-recording.last :] if recording.last else exchanges
    return {
        "recorded": {"against": recording.against, "date": recording.date, "by": "rotor_core.testing.record"},
        "understood": [],
        "version": form.document["version"],
        "interactions": [_ordered(exchange) for exchange in kept],
    }


def _nobody(said: dict[str, Any]) -> None:
    """Who listens while it is recorded: what counts is what the file says."""


def _moved(text: str, recording: Recording) -> str:
    return text.replace(recording.place, recording.base_url) if recording.place else text


class _Form:
    """How VCR's cassettes stand in files. What it would write is only held: the file is written when it has been judged."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None

    def deserialize(self, text: str) -> Any:
        return yaml.safe_load(text)

    def serialize(self, recorded: dict[str, Any]) -> str:
        """VCR's hook. It must not raise: VCR undoes its patches only afterwards."""
        self.document = recorded
        return ""


def _lasting(document: dict[str, Any]) -> Any:
    """A cassette without what is different every time."""
    exchanges = [
        {
            **exchange,
            "response": {
                **exchange["response"],
                "headers": {n: v for n, v in exchange["response"]["headers"].items() if n not in _VOLATILE},
            },
        }
        for exchange in document.get("interactions") or ()
    ]
    recorded: Any = document.get("recorded") or {}
    return recorded.get("against"), document.get("understood"), exchanges


def _ordered(exchange: dict[str, Any]) -> dict[str, Any]:
    request, response = exchange["request"], exchange["response"]
    return {
        "request": {name: request[name] for name in ("method", "uri", "headers", "body")},
        "response": {name: response[name] for name in ("status", "headers", "body")},
    }


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; what is said twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the library's signature
        return True


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(  # pyright: ignore[reportUnknownMemberType]  the stubs leave `value` untyped
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _as_block)


def _dumped(document: object) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000)


def _recorder(form: _Form, clean: Callable[[str], str], clean_url: Callable[[str], str]) -> Any:
    """A VCR with our rules. Both what is recorded and what is looked for go through them, so they still match."""
    vcr, request_type = _library()

    def request(asked: Any) -> Any:
        body = asked.body
        text = clean(body.decode("utf-8", "replace")) if isinstance(body, bytes) else body
        headers = rules.kept({name: [value] for name, value in asked.headers.items()}, rules.KEPT_OF_REQUESTS)
        return request_type(asked.method, clean_url(asked.uri), text, headers)

    def answer(given: dict[str, Any]) -> dict[str, Any]:
        body = given["body"]["string"]
        headers: dict[str, list[str]] = {
            name: value if isinstance(value, list) else [value] for name, value in given["headers"].items()
        }  # one library's stub has lists, another's plain values
        return {
            "status": given["status"],
            "headers": rules.kept(headers, rules.KEPT_OF_ANSWERS),
            "body": {"string": clean(body.decode("utf-8", "replace")).encode()},
        }

    recorder = vcr.VCR(
        match_on=_MATCH,
        before_record_request=request,
        before_record_response=answer,
        decode_compressed_response=True,
        serializer="rotor",
    )
    recorder.register_serializer("rotor", form)
    recorder.register_matcher("rotor_body", _same_body)
    return recorder


def _same_body(one: Any, other: Any) -> None:
    """The same JSON; text that is none has to be the same byte for byte."""
    first, second = (_json(request.body) for request in (one, other))
    assert first == second, f"asked {first!r}, recorded {second!r}"


def _json(body: bytes | None) -> object:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body


def _library() -> tuple[Any, Any]:
    try:
        return import_module("vcr"), import_module("vcr.request").Request
    except ImportError as error:
        raise ImportError("cassettes need vcrpy, which is not installed: pip install vcrpy", name="vcr") from error

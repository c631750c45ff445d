"""Everyone who speaks OpenAI's chat completions: `adapter: openai-compatible` in a configuration, and what others begin from.

A provider that differs a little subclasses `OpenAIWire` and overrides `adapt`, or whatever else is different:

    class AcmeWire(OpenAIWire):
        def adapt(self, body, model, request):
            body.pop("seed", None)      # `body` is this call's own; what is in it is shared and must not be changed
            return body

    class Acme(HttpAdapter):
        wire = AcmeWire()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from rotor_core._model import Model, Secret
from rotor_core._outcome import Answer
from rotor_core._request import Request
from rotor_core.adapters import openai_wire
from rotor_core.adapters.history import USUAL, Manner, neutral
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.parameters import fitted
from rotor_core.adapters.wire import LiveModel, Reader, Wire
from rotor_core.hookspecs import ProviderSpec, hookimpl


@hookimpl
def rotor_providers() -> Iterable[ProviderSpec]:
    """Any server that speaks this dialect; where it is, the configuration says."""
    return [ProviderSpec("openai-compatible", adapter="rotor_core.adapters.openai_compatible:OpenAICompatible")]


class OpenAIWire:
    """OpenAI's chat completions, read leniently. See `rotor_core.adapters.wire.Wire`.

    `manner`: what the server takes in a history beyond the plainest; whatever else stands in it is left out on the way.
    `parameters`: which of OpenAI's parameters that not everybody has (`rotor_core.adapters.parameters`) it takes; None
    where that is not known, and it may answer for itself.
    """

    manner: ClassVar[Manner] = USUAL
    parameters: ClassVar[frozenset[str] | None] = None

    def url(self, base_url: str, model: str, *, stream: bool) -> str:  # noqa: ARG002  it is in the body
        return f"{base_url}/chat/completions"

    def headers(self, secret: Secret) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret.reveal()}"} if secret else {}

    def encode(self, model: Model, request: Request, *, stream: bool) -> bytes:
        body = openai_wire.body_of(model.name, request, stream=stream)
        if self.parameters is not None:
            body = fitted(body, self.parameters)
        body["messages"] = neutral(request.messages, self.manner)
        return openai_wire.to_bytes(self.adapt(body, model, request))

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  for who differs
        """The body as this provider wants it. `body` is this call's own, what is in it is the caller's."""
        return body

    def decode(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        return openai_wire.decode(content, headers)

    def reader(self, headers: Mapping[str, str]) -> Reader:
        return StreamReader(headers)

    def models_url(self, base_url: str) -> str | None:
        return f"{base_url}/models"

    def models(self, content: bytes) -> Sequence[LiveModel]:
        return openai_wire.models_of(content)


class OpenAICompatible(HttpAdapter):
    """For any server of this dialect."""

    wire: ClassVar[Wire] = OpenAIWire()

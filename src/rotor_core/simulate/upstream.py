"""The providers of a world: the sandbox's own arithmetic, which shares no code with the ledger that it judges."""

from __future__ import annotations

from functools import partial
from random import Random

from rotor_core._model import Deployment
from rotor_core._outcome import Failure, FailureKind
from rotor_core.sandbox.provider import Admitted, ProviderModel
from rotor_core.sandbox.spec import SandboxSpec
from rotor_core.simulate.report import Arrival, Verdict


class SandboxUpstream:
    """Judges calls by `ProviderModel`, one for each provider of the sandbox; latencies are drawn from each model's range."""

    def __init__(self, spec: SandboxSpec, seed: int) -> None:
        self._providers = {name: ProviderModel(imitation) for name, imitation in spec.providers.items()}
        self._random = Random(seed)  # noqa: S311  a simulation, not a secret

    def arrive(self, at: float, deployment: Deployment, arrival: Arrival) -> Verdict:
        """A call reaches its provider at `at`."""
        provider = self._providers[deployment.provider.name]
        name = deployment.model.name
        secret = deployment.credential.secret.reveal()
        judged = provider.admit(at, secret, name, arrival.input_tokens, arrival.used, arrival.max_tokens)
        if not isinstance(judged, Admitted):
            said = (
                f"{judged.reason}: {judged.dimension} {judged.limit}, used {judged.used}, requested {judged.requested}"
            )
            kind: FailureKind = "rate_limit" if judged.reason == "rate" else "too_large"
            return Verdict(Failure(kind, retry_after=judged.retry_after, status=judged.status, message=said))
        seconds = self._random.uniform(*provider.imitation.models[name].latency)
        return Verdict(None, seconds, partial(self._out, provider, judged) if judged.gates else None)

    @staticmethod
    def _out(provider: ProviderModel, admitted: Admitted, _: float) -> None:
        provider.release(admitted)

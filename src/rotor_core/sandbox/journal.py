"""What came in and what became of it: one record a request, the latest kept, all of them counted."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any, Final

KEPT: Final = 200_000


@dataclass(slots=True)
class Record:
    """One request. `at`: its arrival, seconds since the epoch; `seconds`: until its answer was out.

    `status` 0: the connection ended before there was one. `dimension`: the limit that refused it. `tokens`: those of
    its answer's usage. `fault`: what was made to go wrong. `ended`: whole, cut (by a
    fault), gone (the client left) or bug (the sandbox's own).
    """

    number: int
    at: float
    provider: str
    path: str
    model: str = ""
    key: str | None = None
    status: int = 0
    dimension: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    stream: bool = False
    fault: str | None = None
    ended: str = "gone"
    seconds: float = 0.0
    cost_usd: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether a limit refused it: a 429 or 413 that nobody had asked for."""
        return self.dimension is not None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "tokens": self.prompt_tokens + self.completion_tokens}


class Journal:
    """All records, in the order in which the requests ended."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.records: deque[Record] = deque(maxlen=KEPT)
        self.requests = 0
        self.refusals = 0
        self.by_status: Counter[int] = Counter()
        self.by_model: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.requests += 1
        self.refusals += record.refused
        self.by_status[record.status] += 1
        if record.status == 200:
            self.by_model[f"{record.provider}/{record.model}"] += 1

    def summary(self) -> dict[str, Any]:
        """Counts of all requests, those that are no longer kept too."""
        return {
            "requests": self.requests,
            "refusals": self.refusals,
            "by_status": {str(status): n for status, n in sorted(self.by_status.items())},
            "answered": dict(self.by_model.most_common()),
        }

"""What a request is about, by plain rules on its last user message: task, intent, complexity, category, needs. Pure.

Rules, not a model: they cost microseconds, need nothing, and a reader can say why. They look at words, code fences,
lists, questions, length, images and tools. Weights are judgement, set by hand; none is fitted to data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import log
from typing import Any, Final

from rotor_core._policy.content import Messages, items, need_of, texts
from rotor_core._request import Analysis

TASKS: Final = (
    "chat", "code", "math", "research", "analysis", "vision", "extraction", "classification", "translation",
    "summarization", "writing",
)  # fmt: skip

# In the order in which a draw is decided. A word counts once; phrases are looked for as they stand.
_WORDS: Final[Mapping[str, str]] = {
    "code": "code function class bug debug refactor compile compiler exception traceback stacktrace python javascript "
    "typescript java rust golang sql regex api script algorithm unittest pytest implement programming repository "
    "git docker kubernetes html css json yaml variable recursion async method codebase snippet stderr segfault",
    "math": "prove proof theorem equation integral derivative solve calculate probability matrix algebra geometry "
    "polynomial equals arithmetic remainder percent percentage modulo eigenvalue",
    "translation": "translate translation übersetze traduis traduce traduire translating",
    "summarization": "summarize summarise summary tldr tl;dr condense recap abstract",
    "extraction": "extract extraction parse fields entities invoice structured schema csv",
    "classification": "classify categorize categorise label sentiment spam",
    "research": "research investigate literature sources cite citations survey study studies evidence references "
    "history comprehensive report",
    "analysis": "analyze analyse analysis compare comparison evaluate assess tradeoffs trade-offs strategy implications "
    "pros cons versus vs",
    "writing": "essay poem story blog email letter rewrite rephrase draft tweet slogan lyrics novel headline",
}
_PHRASES: Final[tuple[tuple[str, str], ...]] = (
    ("stack trace", "code"),
    ("unit test", "code"),
    ("pull request", "code"),
    ("how many", "math"),
    ("step by step", "math"),
    ("key points", "summarization"),
    ("main points", "summarization"),
    ("in english", "translation"),
    ("into english", "translation"),
    ("into french", "translation"),
    ("into german", "translation"),
    ("into spanish", "translation"),
    ("state of the art", "research"),
    ("pros and cons", "analysis"),
    ("trade-off", "analysis"),
    ("root cause", "analysis"),
)
_TASK_OF: Final[Mapping[str, str]] = {word: task for task, words in _WORDS.items() for word in words.split()}
_HARD_WORDS: Final = (
    "prove derive why optimize optimise architecture design tradeoffs trade-offs compare evaluate analyze analyse "
    "implications rigorous comprehensive thorough detailed concurrency distributed consistency theorem strategy plan "
    "explain critique justify constraints simultaneously edge recursive complexity assumptions"
)
_GREETING_WORDS: Final = "hi hello hey thanks thank bye ok okay yes no hallo bonjour hola good morning"
_ASKING_WORDS: Final = "what who when where which why how is are can could does do did will would should"
_HARD: Final = frozenset(_HARD_WORDS.split())
_GREETINGS: Final = frozenset(_GREETING_WORDS.split())
_ASKING: Final = frozenset(_ASKING_WORDS.split())
_EDGES: Final = str.maketrans(dict.fromkeys(".,;:!?()[]{}\"'`*#<>=+/\\|\n\t\r", " "))

# How much of a long message is read: what is asked stands at its beginning or its end.
_HEAD: Final = 2400
_TAIL: Final = 800

_POOL_OF: Final[Mapping[str, str]] = {
    "code": "code", "research": "research", "analysis": "research", "vision": "vision",
}  # fmt: skip
_NO_NEEDS: Final[frozenset[str]] = frozenset()


def analyze(messages: Messages, tools: Sequence[Any] | None = None) -> Analysis:
    """What plain rules read out of a request.

    `messages`: OpenAI-style dicts, or a text that is taken as one user message. `tools`: OpenAI's function tools.

    Answers `task` (one of `TASKS`), `intent` (`question`, `instruction`, `statement`, `greeting` or `continuation`, the
    last after a tool's result), `complexity` from 0 (a greeting) to 1 (a long, many-sided problem), `category` (the size
    of model that fits: `tiny`, `small`, `large`, `reasoning`) and `needs` (capabilities without which a model cannot
    answer: `tools`, `vision`, `audio`). Never raises for odd content: what it cannot read, it leaves out.
    """
    if isinstance(messages, str):
        messages = ({"role": "user", "content": messages},)
    text = _last_user_text(messages)
    needs = _needs(messages, tools)
    words = _words_of(text)
    task = "vision" if "vision" in needs else _task(text, words)
    complexity = _complexity(text, words, task, len(tools or ()), len(messages))
    return Analysis(task, _intent(messages, text, words), complexity, _category(task, complexity), needs)


def pool_for_task(task: str, pools: Collection[str], default: str) -> str:
    """The pool for a task: the one of its name; else of its kind (`code`, `research`, `vision`, `fast`); else the default."""
    if task in pools:
        return task
    kind = _POOL_OF.get(task, "fast")
    return kind if kind in pools else default


def _last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            text = " ".join(texts(message.get("content")))
            return text if len(text) <= _HEAD + _TAIL else text[:_HEAD] + "\n" + text[-_TAIL:]
    return ""


def _words_of(text: str) -> list[str]:
    return text.lower().translate(_EDGES).split()


def _needs(messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None) -> frozenset[str]:
    needs: set[str] = {"tools"} if tools else set()
    for message in messages:
        for part in items(message.get("content")):
            if need := need_of(part):
                needs.add(need)
    return frozenset(needs) if needs else _NO_NEEDS


def _task(text: str, words: list[str]) -> str:
    scores: dict[str, int] = {}
    for word in _TASK_OF.keys() & set(words):
        task = _TASK_OF[word]
        scores[task] = scores.get(task, 0) + 1
    lower = text.lower()
    for phrase, task in _PHRASES:
        if phrase in lower:
            scores[task] = scores.get(task, 0) + 1
    if "```" in text or "Traceback (most recent" in text:
        scores["code"] = scores.get("code", 0) + 3
    if not scores:
        return "chat"
    # What the message begins with is what it asks for: "translate this function's comment" is a translation.
    if words and (first := _TASK_OF.get(words[0])) is not None:
        scores[first] += 2
    best = max(scores.values())
    return next(task for task in _WORDS if scores.get(task) == best)


def _intent(messages: Sequence[Mapping[str, Any]], text: str, words: list[str]) -> str:
    if messages and messages[-1].get("role") in {"tool", "function"}:
        return "continuation"
    if not words:
        return "statement"
    if len(words) <= 4 and words[0] in _GREETINGS:
        return "greeting"
    if words[0] in _ASKING or text.rstrip().endswith("?"):
        return "question"
    return "instruction" if len(words) >= 3 and words[0] not in {"i", "we", "the", "it", "my", "this"} else "statement"


def _complexity(text: str, words: list[str], task: str, tools: int, turns: int) -> float:
    if not words:
        return 0.0
    # Length tells most, with less and less to tell: 10 words 0.16, 100 words 0.37, 500 words 0.53.
    score = 0.16 * log(len(words) / 2.5 + 1) / log(5) if len(words) > 3 else 0.02
    score += min(0.3, 0.08 * len(_HARD.intersection(words)))
    score += min(0.12, 0.04 * max(0, text.count("?") - 1))
    score += min(0.12, 0.03 * (text.count("\n- ") + text.count("\n* ") + text.count("\n1.") + text.count("\n2.")))
    if task in {"math", "code", "research", "analysis"}:
        score += 0.12
    if "```" in text:
        score += 0.1
    score += min(0.1, 0.02 * tools) + min(0.08, 0.01 * (turns - 1))
    return round(min(1.0, score), 3)


def _category(task: str, complexity: float) -> str:
    if complexity > 0.7 or (complexity > 0.55 and task in {"math", "research", "analysis"}):
        return "reasoning"
    if complexity > 0.4:
        return "large"
    return "small" if complexity > 0.15 else "tiny"

"""Synthetic conversations: the shares of topics, and the sentences around a question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from prefens.data.synthetic import tasks
from prefens.data.synthetic.draws import Draws
from prefens.data.synthetic.tasks import Task
from prefens.data.synthetic.texts import SLOTS

TURNS = ((1, 0.86), (2, 0.10), (3, 0.04))  # the shares of one, two and three turns

# Topics by their share of the conversations.
TOPICS: tuple[tuple[Callable[[Draws], Task], float], ...] = (
    (tasks.geography, 0.16),
    (tasks.science, 0.15),
    (tasks.arithmetic, 0.13),
    (tasks.howto, 0.12),
    (tasks.code, 0.11),
    (tasks.vocabulary, 0.11),
    (tasks.creative, 0.09),
    (tasks.unsafe, 0.04),
    (tasks.often_refused, 0.04),
    (partial(tasks.other_language, language="spanish"), 0.02),
    (partial(tasks.other_language, language="french"), 0.015),
    (partial(tasks.other_language, language="german"), 0.015),
)


def draw_conversation(draws: Draws) -> tuple[Task, ...]:
    """Draw the turns of a conversation, all on one topic; no question occurs twice."""
    topic, turns = draws.weighted(TOPICS), draws.weighted(TURNS)
    chat: list[Task] = []
    while len(chat) < turns:
        task = topic(draws)
        if all(task.wrong.key != earlier.wrong.key for earlier in chat):
            chat.append(_with_small_talk(draws, task, len(chat)))
    return tuple(chat)


def draw_other(draws: Draws, task: Task) -> Task:
    """Draw a task on another topic, for answers that are off topic."""
    other = draws.weighted(TOPICS)(draws)
    while other.topic in (task.topic, "unsafe"):
        other = draws.weighted(TOPICS)(draws)
    return other


def _with_small_talk(draws: Draws, task: Task, turn: int) -> Task:
    before = task.voice.follow_ups if turn else task.voice.openers
    opener = draws.fill(draws.pick(before), SLOTS) if draws.chance(0.7) else ""
    closer = draws.fill(draws.pick(task.voice.closers), SLOTS) if draws.chance(0.5) else ""
    return replace(task, prompt=" ".join(part for part in (opener, task.prompt, closer) if part))

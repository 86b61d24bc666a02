"""Which of a contact's events count: no machine's, and no more of a day or a campaign than the model allows.

Every answer is a function of the set of events that there are, never of their order: see :class:`Group`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from functions.domain import standing
from functions.domain.evidence import CLICKED, SENT
from functions.domain.policy import Fact, Policy, Rank, Window
from functions.domain.standing import FAST


@dataclass(slots=True)
class _Counted:
    """The events that are known of a window. Too many were there before the last: all of them have its bit."""

    window: Window
    facts: dict[str, Fact] = field(default_factory=dict)
    links: Counter[int | None] = field(default_factory=Counter)

    @property
    def too_many(self) -> bool:
        return len(self.links if self.window.by_link else self.facts) >= self.window.most

    def put(self, fact: Fact) -> None:
        self.facts[fact.id] = fact
        if self.window.by_link:
            self.links[fact.marks.link] += 1

    def take(self, fact: Fact) -> None:
        del self.facts[fact.id]
        if self.window.by_link:
            self.links -= Counter([fact.marks.link])


class Group:
    """The events of one contact at an account, or of an account's nobody, as far as they are known.

    Where an event comes or goes, this tells which events that changes. An event is *unverified* by what it says of
    itself; or because it is a click that came at once after its e-mail was sent; or because it lies in a window with
    too many events, counting all that say nothing against themselves. Of the *verified* ones the oldest of a day and
    of a campaign count, the others are *capped*. So each answer rests on the set alone, on no order.

    Not all events have to be known: :mod:`functions.domain.neighbours` says which. Those that are known come by
    :meth:`learn`, as they were left.

    Args:
        named: whether it is a contact. Nobody's clicks and e-mails belong together only where both name the e-mail.
    """

    def __init__(self, policy: Policy, *, named: bool) -> None:
        self._policy = policy
        self._named = named
        self._facts: dict[str, Fact] = {}
        self._mails: dict[str, Fact] = {}
        self._clicks: dict[str, Fact] = {}
        self._windows: dict[Window, _Counted] = {}
        self._ranks: dict[Rank, list[tuple[int, str]]] = {}
        self._before: dict[str, int] = {}

    def learn(self, facts: Iterable[Fact]) -> None:
        """Note stored events. One that is known already is as it is known."""
        for fact in facts:
            if fact.id in self._facts or fact.left_out & standing.RETRACTED:
                continue
            self._note(fact)
            if fact.judged and not fact.left_out & standing.BY_ITSELF:
                for window in self._policy.windows(fact):
                    self._counted(window).put(fact)
                if fact.verified:
                    for rank in self._policy.ranks(fact):
                        insort(self._ranks.setdefault(rank, []), fact.place)

    def known(self, id_: str) -> Fact | None:
        """Return an event that is known."""
        return self._facts.get(id_)

    @property
    def facts(self) -> Iterable[Fact]:
        """All events that are known."""
        return self._facts.values()

    def add(self, fact: Fact) -> list[tuple[Fact, int]]:
        """Judge a new event: ``left_out`` of it, and of others, says how they stand from now on.

        Returns:
            The others that stand in another way than before, each with what its ``left_out`` was.
        """
        self._before = {fact.id: standing.FLAGGED}  # not verified before, so that it enters its lists now
        self._note(fact)
        if fact.type == SENT:
            for click in self._clicks_after(fact):
                self._set(click, FAST)
        elif fact.judged and not fact.left_out:
            if fact.type == CLICKED and self._fast(fact):
                self._set(fact, FAST)
            for window in self._policy.windows(fact):
                counted = self._counted(window)
                known = () if counted.too_many else list(counted.facts.values())
                counted.put(fact)
                for each in (*known, fact) if counted.too_many else ():
                    self._set(each, window.bit)
        return self._settled(fact)

    def retract(self, fact: Fact) -> list[tuple[Fact, int]]:
        """Take an event that is known out of what the others are compared with.

        Returns:
            See :meth:`add`.
        """
        self._before = {fact.id: fact.left_out}
        clicks = self._clicks_after(fact) if fact.type == SENT else []
        if fact.judged and not fact.left_out & standing.BY_ITSELF:
            for window in self._policy.windows(fact):
                counted = self._counted(window)
                counted.take(fact)
                if not counted.too_many:
                    for each in counted.facts.values():
                        self._clear(each, window.bit)
        for events in (self._facts, self._mails, self._clicks):
            events.pop(fact.id, None)
        for click in clicks:
            if not self._fast(click):
                self._clear(click, FAST)
        fact.left_out |= standing.RETRACTED
        settled = self._settled(fact)
        fact.left_out = standing.RETRACTED
        return settled

    def _settled(self, new: Fact) -> list[tuple[Fact, int]]:
        """Move what became verified, or no longer is, into its lists or out of them.

        Returns:
            What changed but ``new``.
        """
        for id_, before in list(self._before.items()):
            fact = new if id_ == new.id else self._facts[id_]
            was = not before & ~standing.CAPPED
            if fact.judged and fact.verified and not was:
                self._enter(fact)
            elif fact.judged and was and not fact.verified:
                self._leave(fact)
        changed = ((self._facts[id_], before) for id_, before in self._before.items() if id_ != new.id)
        return [(fact, before) for fact, before in changed if fact.left_out != before]

    def _enter(self, fact: Fact) -> None:
        for rank in self._policy.ranks(fact):
            places = self._ranks.setdefault(rank, [])
            insort(places, fact.place)
            if bisect_left(places, fact.place) >= rank.most:
                self._set(fact, rank.bit)
            elif len(places) > rank.most:
                self._set(self._facts[places[rank.most][1]], rank.bit)

    def _leave(self, fact: Fact) -> None:
        for rank in self._policy.ranks(fact):
            places = self._ranks.get(rank, [])
            at = bisect_left(places, fact.place)
            if places[at : at + 1] == [fact.place]:
                del places[at]
                if at < rank.most <= len(places):
                    self._clear(self._facts[places[rank.most - 1][1]], rank.bit)
            self._clear(fact, rank.bit)

    def _set(self, fact: Fact, bit: int) -> None:
        self._before.setdefault(fact.id, fact.left_out)
        fact.left_out |= bit

    def _clear(self, fact: Fact, bit: int) -> None:
        self._before.setdefault(fact.id, fact.left_out)
        fact.left_out &= ~bit

    def _counted(self, window: Window) -> _Counted:
        return self._windows.setdefault(window, _Counted(window))

    def _note(self, fact: Fact) -> None:
        self._facts[fact.id] = fact
        if fact.type == SENT:
            self._mails[fact.id] = fact
        elif fact.type == CLICKED and fact.judged and not fact.left_out & standing.BY_ITSELF:
            self._clicks[fact.id] = fact

    def _fast(self, click: Fact) -> bool:
        """Whether a click came at once after one of its e-mails was sent."""
        return any(self._at_once(mail, click) for mail in self._mails.values())

    def _clicks_after(self, mail: Fact) -> list[Fact]:
        """Return the clicks that came at once after an e-mail was sent."""
        return [click for click in self._clicks.values() if self._at_once(mail, click)]

    def _at_once(self, mail: Fact, click: Fact) -> bool:
        if not 0 <= click.at - mail.at < self._policy.fast_us:
            return False
        names = (mail.marks.mail, click.marks.mail)
        if self._named and None in names:
            return True
        return names[0] is not None and names[0] == names[1]

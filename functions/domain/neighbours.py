"""Which recorded events a batch's events are compared with, in bounded questions, and how each of them stands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from functions.domain import score
from functions.domain.catalog import EVENT_RETRACTED
from functions.domain.evidence import CLICKED, SENT, marks
from functions.domain.judgement import COUNTS, Change, GroupKey, Identity, Newest, Recorded, Stretch, Verdict
from functions.domain.model import UNCHANGED, Versioned
from functions.domain.policy import Fact, Policy
from functions.domain.signal import Signal
from functions.domain.standing import CAMPAIGN, RETRACTED
from functions.domain.verification import Group

#: Clicks and e-mails of one contact that are read within the seconds of a window: more than a person has, and then
#: some. Of more, the first ones are compared.
MOST_AT_ONCE = 1_000
#: Sums of events that are so much older than the newest one may be gone: nothing is concluded from their absence.
_FORGOTTEN_US = score.ERA_HALF_LIVES * score.DAY_US


class Neighbours:
    """The new events of a batch beside those on record.

    Args:
        models: tenant -> scoring model; the default one of others.
        signals: the new ones, each once.
        retracted: those of them that were retracted before they came.
        targets: recorded events that some of the new ones retract.
    """

    def __init__(
        self,
        models: Mapping[str, Versioned],
        signals: Sequence[Signal],
        retracted: Collection[Identity] = (),
        targets: Iterable[Recorded] = (),
    ) -> None:
        tenants = {signal.event.tenant_id for signal in signals}
        self._policies = {tenant: Policy.of(models.get(tenant, UNCHANGED).model) for tenant in tenants}
        self._signals = signals
        self._retracted = set(retracted)
        self._groups: dict[GroupKey, Group] = {}
        self._new: dict[Identity, Recorded] = {}
        self._judged: set[Identity] = set()
        self._compared: list[Recorded] = []
        #: How many of the batch's own events are on record by now, and how many are taken out of it.
        self._own: Counter[tuple[GroupKey, str]] = Counter()
        self._targets = {(each.group[0], each.fact.id): each for each in targets}
        self._retracting = bool(self._retracted or any(signal.event.retracts for signal in signals))

    def questions(self, newest: Newest) -> Iterator[list[Stretch]]:
        """Yield what has to be read: what comes of each is given to :meth:`learn` before the next is asked for.

        First the events at the same time, then, where that may change which ones are verified, the oldest of their
        days and campaigns. Nothing is asked where the newest recorded event says that there is nothing.
        """
        self._expect(newest)
        targets = [each for each in self._targets.values() if self._is_compared(each)]
        for each in targets:
            self._own[each.group, each.fact.type] += 1
            self._group(each.group).learn([each.fact])
        found = {stretch for each in self._compared for stretch in self._at_once(each, newest)}
        found |= {stretch for each in targets for stretch in self._at_once(each, None)}
        if found:
            yield list(found)
        known = [Recorded(key, fact) for key, group in self._groups.items() for fact in group.facts]
        events = Counter((each.group, each.fact.type) for each in (*known, *self._compared))
        found = {
            stretch
            for asked, each in (*((newest, each) for each in self._compared), *((None, each) for each in known))
            for stretch in self._oldest(each, asked, events[each.group, each.fact.type])
        }
        if found:
            yield list(found)

    def learn(self, recorded: Iterable[Recorded]) -> None:
        """Note what was read. The batch's own events may be among it, and are left out."""
        found: dict[GroupKey, list[Fact]] = defaultdict(list)
        for each in recorded:
            if (each.group[0], each.fact.id) not in self._new:
                found[each.group].append(each.fact)
        for key, facts in found.items():
            self._group(key).learn(facts)

    def judge(self, signal: Signal) -> Verdict:
        """Judge the next of the new events. All of them come once, in their order."""
        event = signal.event
        if event.retracts is not None:
            return Verdict(changes=self._retract((event.tenant_id, event.retracts.event_id)))
        identity = (event.tenant_id, event.id)
        each = self._new.get(identity)
        if each is None:  # nothing is near it
            return COUNTS
        self._judged.add(identity)
        if identity in self._retracted:
            each.fact.left_out = RETRACTED
        elif self._is_compared(each) and not each.fact.left_out:
            changed = self._group(each.group).add(each.fact)
            return Verdict(each.fact, [Change(each.group, fact, before) for fact, before in changed])
        return Verdict(each.fact)

    def _expect(self, newest: Newest) -> None:
        """Note the batch's events that have others near them, or say something of themselves: mostly few."""
        by_group: dict[GroupKey, list[Signal]] = defaultdict(list)
        for signal in self._signals:
            event, kind = signal.event, signal.event.kind
            if kind.points and kind.type in self._policies[event.tenant_id].compared and not self._retracting:
                by_group[event.tenant_id, event.account_id, event.contact_id].append(signal)
            elif self._retracting or self._by_itself(signal):
                self._note(signal)
        for key, signals in by_group.items():
            if len(signals) > 1 or not self._is_alone(signals[0], *newest(key)) or self._by_itself(signals[0]):
                for signal in signals:
                    self._note(signal)

    def _is_alone(self, signal: Signal, newest: Mapping[str, int], newest_of_all: int) -> bool:
        """Whether no recorded event of its group is compared with a new one, as far as the newest ones tell."""
        if not newest:
            return True
        event, type_ = signal.event, signal.event.kind.type
        policy, at = self._policies[event.tenant_id], score.since_landmark(event.occurred_at)
        since = min(at // score.DAY_US * score.DAY_US, at - policy.reach_us, at - policy.fast_us)
        if newest_of_all - since >= _FORGOTTEN_US:
            return False
        if type_ == SENT:
            return newest.get(CLICKED, at - 1) < at
        if type_ in policy.per_campaign and type_ in newest and "campaign" in event.metadata:
            return False
        if type_ == CLICKED and newest.get(SENT, since) > at - policy.fast_us:
            return False
        return newest.get(type_, since - 1) < since

    def _by_itself(self, signal: Signal) -> int:
        """Return why an event is left out by what it says of itself."""
        event, kind = signal.event, signal.event.kind
        metadata = event.metadata
        if not metadata or kind.points <= 0 or kind.side != "buyer":
            return 0
        return self._policies[event.tenant_id].by_itself(metadata)

    def _note(self, signal: Signal) -> None:
        event, kind = signal.event, signal.event.kind
        key = (event.tenant_id, event.account_id, event.contact_id)
        fact = Fact(
            event.id,
            kind.type,
            score.since_landmark(event.occurred_at),
            kind.side,
            kind.points,
            kind.half_life_days,
            marks(kind.type, event.metadata),
            self._by_itself(signal),
        )
        self._new[event.tenant_id, event.id] = each = Recorded(key, fact)
        self._own[key, kind.type] += 1
        if self._is_compared(each) and not fact.left_out:
            self._compared.append(each)

    def _retract(self, identity: Identity) -> list[Change]:
        """Retract an event on record or of earlier in the batch. One that is still to come is when it comes.

        A retraction stays: what it took back would have to come back as it was.
        """
        each = self._targets.get(identity) or (self._new[identity] if identity in self._judged else None)
        self._retracted.add(identity)
        if each is None or each.fact.left_out & RETRACTED or each.fact.type == EVENT_RETRACTED.type:
            return []
        group, before = self._groups.get(each.group), each.fact.left_out
        known = group is not None and group.known(each.fact.id)
        changed = group.retract(each.fact) if group is not None and known else []
        each.fact.left_out = RETRACTED
        return [Change(each.group, each.fact, before), *(Change(each.group, fact, was) for fact, was in changed)]

    def _at_once(self, each: Recorded, newest: Newest | None) -> Iterator[Stretch]:
        """Yield the stretches around an event that decide whether it is verified, and others because of it.

        Args:
            newest: None asks for all of them.
        """
        key, fact = each
        policy = self._policies[key[0]]
        for window in policy.windows(fact):
            most = MOST_AT_ONCE if window.by_link else window.most
            yield from self._stretch(each, newest, window.type, window.since, window.until, most)
        if fact.type == CLICKED:
            yield from self._stretch(each, newest, SENT, fact.at - policy.fast_us + 1, fact.at + 1, MOST_AT_ONCE)
        elif fact.type == SENT:
            until = fact.at + policy.fast_us
            yield from self._stretch(each, newest, CLICKED, fact.at, until, MOST_AT_ONCE)
            if newest is None:  # it is taken back: what else the clicks could have come from
                since = fact.at - policy.fast_us + 1
                yield from self._stretch(each, newest, SENT, since, until, MOST_AT_ONCE)

    def _oldest(self, each: Recorded, newest: Newest | None, others: int) -> Iterator[Stretch]:
        """Yield the lists that an event is in, with as many more of each as may leave it: ``others``."""
        for rank in self._policies[each.group[0]].ranks(each.fact):
            if rank.bit == CAMPAIGN:
                yield from self._stretch(each, newest, rank.type, None, None, rank.most + others, rank.of)
            else:
                since = rank.of * score.DAY_US
                until = since + score.DAY_US
                yield from self._stretch(each, newest, rank.type, since, until, rank.most + others, verified=True)

    def _stretch(
        self,
        each: Recorded,
        newest: Newest | None,
        type_: str,
        since: int | None,
        until: int | None,
        most: int,
        campaign: int | None = None,
        *,
        verified: bool = False,
    ) -> Iterator[Stretch]:
        """Yield a stretch unless nothing can be on record there. The batch's own events must not use up its limit."""
        if newest is not None:
            by_type, newest_of_all = newest(each.group)
            last = by_type.get(type_)
            old = since is None or newest_of_all - since >= _FORGOTTEN_US
            if not old and (last is None or (since is not None and last < since)):
                return
            if since is None and last is None and newest_of_all - each.fact.at < _FORGOTTEN_US:
                return
        own = self._own[each.group, type_]
        yield Stretch(*each.group, type_, since, until, campaign, verified or campaign is not None, most + own)

    def _is_compared(self, each: Recorded) -> bool:
        return each.fact.type in self._policies[each.group[0]].compared and each.fact.points != 0

    def _group(self, key: GroupKey) -> Group:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(self._policies[key[0]], named=key[2] is not None)
        return group

"""The smallest change of a spec that cures it, proved by training both.

Every course of treatment that suits the findings is trained for as many steps as the original. The
best of them is combined with others while that helps by a clear margin. Of all, the one is taken
that does best on several seeds, less a price for how much of the design it touches; and what it
does not need is taken away again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bpcli.data import Dataset
from bpcli.diagnosis.candidates import SEEDS, Bench, Budget, Candidate, intrusion
from bpcli.diagnosis.diagnosis import Diagnosis
from bpcli.diagnosis.finding import Finding
from bpcli.diagnosis.reference import expectation
from bpcli.diagnosis.remedies import EVERYTHING, Course, courses_for, prescribe
from bpcli.diagnosis.remedies.learning_rates import at, is_rate
from bpcli.diagnosis.remedies.prescribing import Layers
from bpcli.spec.model import Spec

PRICE = 0.02  # of the way from chance to perfect: what a point of intrusion must gain
MARGIN = 0.02  # of that way: what one more treatment must gain
HELPED = 0.05  # so much more of that way the cure must go than the original
_SURE = 3.0  # standard errors: the best of dozens of candidates is two above its mean by chance
_LESS_LOSS = 0.7
ENOUGH = 0.85  # of what a plain learner reaches: then nothing more intrusive is tried
RUN_SHARE = 1 / 30  # of the budget that a single run may take
# what may be spent before the next stage: singles, combinations, other seeds
_SINGLES, _COMBINED = 0.4, 0.25
_DEEPEST = 3  # treatments after the first
_FINALISTS = 4
_FACTORS = (3.0, 0.3)  # of a leader's learning rate

Examine = Callable[[Spec], Diagnosis]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Cure:
    """What was tried, and what came of it; ``best`` is None where nothing helped.

    ``after`` is the diagnosis of the best; the errors that it still has, if any, are those of the
    candidate with the fewest.
    """

    original: Candidate
    best: Candidate | None
    after: Diagnosis | None
    tried: tuple[Candidate, ...]
    steps: int  # of each run
    runs: int


def cure(
    spec: Spec,
    dataset: Dataset,
    findings: Iterable[Finding],
    budget: Budget,
    examine: Examine,
    *,
    layers: Layers = None,
    say: Say = lambda message: None,
) -> Cure:
    """Looks for the smallest change that makes the findings go and the network learn.

    ``examine`` diagnoses a changed spec; ``say`` is told of each run.
    """
    search = Search(spec, dataset, budget, layers, say)
    best, after = search.run(findings, examine)
    return Cure(search.original, best, after, tuple(search.tried), search.bench.steps, budget.spent)


class Search:
    """The stages of the search, within one budget."""

    def __init__(
        self, spec: Spec, dataset: Dataset, budget: Budget, layers: Layers, say: Say
    ) -> None:
        self.budget, self.layers, self.say = budget, layers, say
        self.input_shape = dataset.preparation.inputs.shape
        self.bench = Bench(spec, dataset, budget, share=RUN_SHARE)
        self.expected = expectation(spec, dataset, self.bench.steps)
        self.original = Candidate((), "as it is", (), spec)
        self.tried: list[Candidate] = []

    def run(
        self, findings: Iterable[Finding], examine: Examine
    ) -> tuple[Candidate | None, Diagnosis | None]:
        self._train(self.original)
        self._try_all(courses_for(findings))
        if not self._is_enough(self._leader()):
            self._try_all(course for course in EVERYTHING if course not in self._courses())
        self._combine()
        return self._choose(self._prove(), examine)

    # -- stages

    def _try_all(self, courses: Iterable[Course]) -> None:
        for course in courses:
            if self.budget.left() < _SINGLES:
                return
            if intrusion(course) <= self._smallest_enough():
                self._try(course)

    def _smallest_enough(self) -> float:
        enough = [each.intrusion for each in self.tried if self._is_enough(each)]
        return min(enough, default=math.inf)

    def _combine(self) -> None:
        """More treatments on top of the leader, as long as each is worth it."""
        for _ in range(_DEEPEST):
            leader = self._leader()
            if leader is None or self._is_enough(leader):
                return
            for course in self._companions(leader):
                if self.budget.left() < _COMBINED:
                    return
                self._try(course)
            best = self._leader()
            if best is None or best is leader or self._skill(best) < self._skill(leader) + MARGIN:
                return

    def _companions(self, leader: Candidate) -> Iterator[Course]:
        """The leader's course with another learning rate, and with what did best by itself."""
        rate = leader.spec.optimizer.learning_rate
        others = tuple(each for each in leader.course if not is_rate(each))
        for factor in _FACTORS:
            yield (*others, at(rate * factor))
        for other in sorted(self.tried, key=self._skill, reverse=True):
            added = tuple(each for each in other.course if each not in leader.course)
            if added and len(other.course) <= 2:
                yield (*leader.course, *added)

    def _prove(self) -> list[Candidate]:
        """The most valuable candidates, trained on all seeds, and what they are without each of
        their treatments; the most valuable first."""
        self._train(self.original, SEEDS)
        finalists = sorted(self.tried, key=self._value, reverse=True)[:_FINALISTS]
        for candidate in finalists:
            self._train(candidate, SEEDS)
        for candidate in list(finalists):
            finalists += self._without(candidate)
        return sorted(finalists, key=self._value, reverse=True)

    def _without(self, candidate: Candidate) -> Iterator[Candidate]:
        """The candidate without each of its treatments in turn, if that was not tried yet."""
        for left_out in candidate.course if len(candidate.course) > 1 else ():
            course = tuple(each for each in candidate.course if each is not left_out)
            if course in self._courses() or self.budget.left() <= 0:
                continue
            smaller = self._try(course, SEEDS)
            if smaller is not None:
                yield smaller

    def _choose(
        self, finalists: list[Candidate], examine: Examine
    ) -> tuple[Candidate | None, Diagnosis | None]:
        """The most valuable that helps and has no errors any more, or else that with the fewest."""
        fewest: tuple[Candidate | None, Diagnosis | None] = (None, None)
        least = math.inf
        for candidate in filter(self._helps, finalists):
            self.say(f"diagnosing: {candidate.description}")
            after = examine(candidate.spec)
            errors = sum(finding.severity == "error" for finding in after.findings)
            if errors < least:
                fewest, least = (candidate, after), errors
            if not errors:
                break
        return fewest

    # -- parts

    def _try(self, course: Course, seeds: int = 1) -> Candidate | None:
        """Trains the spec that a course makes; None where there is nothing for it to do."""
        prescribed = prescribe(self.original.spec, course, self.input_shape, self.layers)
        if prescribed is None:
            return None
        remedy, spec = prescribed
        known = next((each for each in self.tried if each.spec == spec), None)
        if known is None:
            known = Candidate(course, remedy.description, remedy.changes, spec)
            self.tried.append(known)
        self._train(known, seeds)
        return known

    def _train(self, candidate: Candidate, seeds: int = 1) -> None:
        if len(candidate.trials) < seeds:
            self.bench.train(candidate, seeds)
            self.say(f"{candidate.description}: {candidate.score:.3f}")

    def _courses(self) -> list[Course]:
        return [each.course for each in self.tried]

    def _leader(self) -> Candidate | None:
        return max(self.tried, key=self._skill, default=None)

    def _value(self, candidate: Candidate) -> float:
        """Its skill, less what it costs to touch so much of a design."""
        return self._skill(candidate) - PRICE * candidate.intrusion

    def _skill(self, candidate: Candidate) -> float:
        """The share of the way from chance to perfect that the score covers."""
        chance = self.expected.chance_score
        return (candidate.score - chance) / (1 - chance) if chance < 1 else 0.0

    def _is_enough(self, candidate: Candidate | None) -> bool:
        if candidate is None:
            return False
        share = self.expected.share_of_score(candidate.score)
        return share is not None and share >= ENOUGH

    def _helps(self, candidate: Candidate) -> bool:
        """Clearly more skill than the best of many would have by chance; or somewhat more, and
        much less training loss: a squashed output spoils the loss more than the ranking."""
        gain = self._skill(candidate) - self._skill(self.original)
        noise = self.expected.resolution / max(1 - self.expected.chance_score, 1e-6)
        if gain >= max(HELPED, _SURE * noise):
            return True
        return gain >= MARGIN and candidate.loss < _LESS_LOSS * self.original.loss

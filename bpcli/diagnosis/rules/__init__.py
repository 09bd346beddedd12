"""The rules, one a file; each holds its own documentation."""

from __future__ import annotations

from bpcli.diagnosis.rules.dead_units import DeadUnits
from bpcli.diagnosis.rules.exploding_activation import ExplodingActivation
from bpcli.diagnosis.rules.exploding_gradient import ExplodingGradient
from bpcli.diagnosis.rules.learning_rate_too_high import LearningRateTooHigh
from bpcli.diagnosis.rules.learning_rate_too_low import LearningRateTooLow
from bpcli.diagnosis.rules.loss_stands_still import LossStandsStill
from bpcli.diagnosis.rules.non_finite import NonFiniteValues
from bpcli.diagnosis.rules.output_loss_mismatch import OutputLossMismatch
from bpcli.diagnosis.rules.rank_collapse import RankCollapse
from bpcli.diagnosis.rules.rule import Explanation, Rule
from bpcli.diagnosis.rules.saturated_units import SaturatedUnits
from bpcli.diagnosis.rules.symmetric_units import SymmetricUnits
from bpcli.diagnosis.rules.unscaled_inputs import UnscaledInputs
from bpcli.diagnosis.rules.vanishing_activation import VanishingActivation
from bpcli.diagnosis.rules.vanishing_gradient import VanishingGradient
from bpcli.diagnosis.rules.wrong_gradient import WrongGradient

# asked where training fails and no other rule says why
LAST_RESORT = LossStandsStill()

# by code; the order in which they are checked
RULES: tuple[Rule, ...] = (
    WrongGradient(),
    VanishingGradient(),
    ExplodingGradient(),
    VanishingActivation(),
    ExplodingActivation(),
    RankCollapse(),
    DeadUnits(),
    SaturatedUnits(),
    SymmetricUnits(),
    NonFiniteValues(),
    LAST_RESORT,
    LearningRateTooHigh(),
    LearningRateTooLow(),
    UnscaledInputs(),
    OutputLossMismatch(),
)


def find_rule(wanted: str) -> Rule | None:
    """The rule with that code or name."""
    return next((rule for rule in RULES if wanted.lower() in (rule.code.lower(), rule.name)), None)


__all__ = ["LAST_RESORT", "RULES", "Explanation", "Rule", "find_rule"]

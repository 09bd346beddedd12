"""What cures a finding: treatments, one concept a file, and which of them are for which finding.

A treatment looks at the layers as they are written (`outline`) and prescribes changes. A course is
one or several of them, each looking at what those before it have made of the spec.
"""

from __future__ import annotations

from bpcli.diagnosis.remedies.courses import EVERYTHING, Course, courses_for
from bpcli.diagnosis.remedies.prescribing import prescribe, remedies_for, with_remedies

__all__ = ["EVERYTHING", "Course", "courses_for", "prescribe", "remedies_for", "with_remedies"]

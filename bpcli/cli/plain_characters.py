"""What stands for a character that the terminal's encoding does not have: one plain character.

One for one, so that columns stay columns and bars stay bars.
"""

from __future__ import annotations

import codecs

NAME = "bpcli-plain"
_BLOCKS = dict.fromkeys("█▇▆▉▊▋▓━", "#") | dict.fromkeys("▅▄▌▍▒", "=") | dict.fromkeys("▃▂▎░", "-")
_PLAIN = (
    _BLOCKS
    | dict.fromkeys("▁▏·•…", ".")
    | dict.fromkeys("│‖▸◂", "|")
    | dict.fromkeys("─–—−", "-")
    | {"×": "x", "∂": "d", "→": ">", "←": "<", "↓": "v", "↑": "^", "≤": "<", "≥": ">", "∞": "8",
       "√": "V", "½": "h", "¼": "q", "µ": "u", "≈": "~", "±": "~"}
    | dict(zip("²₁₂ₜᵗˣᵀ₊₋⁻\N{COMBINING CIRCUMFLEX ACCENT}", "212ttxT+--^", strict=True))
    | dict(zip("αβγδεηθλμξπρσφχψωΔΣΦ", "abgdehtlmxprsfxywDSF", strict=True))
)  # fmt: skip


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end


codecs.register_error(NAME, _replace)

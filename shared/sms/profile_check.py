"""Pure: whether connector options about alphabets go together, in sentences for whoever wrote the configuration."""

from difflib import get_close_matches

from shared.sms.message import ConnectorProfile
from shared.sms.national_tables import LANGUAGES


def profile_problems(profile: ConnectorProfile) -> list[str]:
    """One sentence per mistake; empty when there is none. The encoder itself ignores what is meaningless here."""
    problems: list[str] = []
    for word in profile.national_tables:
        if word not in LANGUAGES:
            near = get_close_matches(word, LANGUAGES, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(LANGUAGES)}"
            problems.append(f"national_tables: {word!r} is no language of TS 23.038{hint}")
    if profile.default_alphabet != "gsm7":
        if profile.gsm7_packed:
            problems.append(f"gsm7_packed needs default_alphabet gsm7, not {profile.default_alphabet}")
        if profile.national_tables:
            problems.append(f"national_tables need default_alphabet gsm7, not {profile.default_alphabet}")
    problems.extend(
        f"data_coding_map: {ours}: {theirs} is not within 0 to 255"
        for ours, theirs in profile.data_coding_map.items()
        if not (0 <= ours <= 255 and 0 <= theirs <= 255)
    )
    return problems

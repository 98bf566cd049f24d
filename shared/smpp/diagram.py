"""Pure: docs/smpp-session.md, drawn from the tables in `transitions`, `fields` and `tlv`.

`python -m shared.smpp.diagram > docs/smpp-session.md` writes it again; a test fails when it is not current.
"""

import sys

from shared.smpp.constants import RESPONSE_BIT, command_name
from shared.smpp.fields import COMMAND_SPECS, FieldKind
from shared.smpp.tlv import TLV_SPECS, TlvKind
from shared.smpp.transitions import REQUEST_STATES, TRANSITIONS, SessionState, Trigger

_INTRODUCTION = """\
# SMPP sessions

Generated from `shared/smpp/transitions.py`, `fields.py` and `tlv.py` by `python -m shared.smpp.diagram`; do not edit.

## States

Both roles walk the same states. DRAINING: we have decided to leave and wait for what is in flight. PEER_UNBINDING: the
peer asked to leave and is answered when nothing is in flight any more, or after `unbind_timeout_s`. From every state,
a lost connection, a dead link or a lost framing leads to CLOSED; these arrows are left out.
"""

_REQUESTS = """
## Requests

enquire_link is answered in any state; what else comes at the wrong time is refused and reported. One exception: a
deliver_sm on a transmitter is reported and taken, because a receipt refused is a receipt lost.
"""


def state_diagram() -> str:
    """The session's states as a Mermaid state diagram, in the order of the table."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> OPEN"]
    for (state, trigger), following in TRANSITIONS.items():
        if trigger is not Trigger.ENDED and state is not following:
            lines.append(f"    {state.name} --> {following.name}: {trigger.value}")
    lines += ["    CLOSED --> [*]", "```"]
    return "\n".join(lines)


def request_table() -> str:
    """Who may ask for what in which state (SMPP 3.4 section 2.3)."""
    order = list(SessionState)
    lines = ["| from | request | in the states |", "|---|---|---|"]
    for role, requests in REQUEST_STATES.items():
        for command, states in requests.items():
            names = ", ".join(state.name for state in sorted(states, key=order.index))
            lines.append(f"| {role.name} | {command.name.lower()} | {names} |")
    return "\n".join(lines)


def command_table() -> str:
    """Every command with its mandatory fields in wire order."""
    lines = ["| command_id | command | mandatory fields (most octets) |", "|---|---|---|"]
    for command_id in sorted(COMMAND_SPECS, key=lambda one: (one & ~RESPONSE_BIT, one)):
        fields = COMMAND_SPECS[command_id].fields
        names = [row.name if row.kind is FieldKind.INTEGER else f"{row.name} ({row.size_max})" for row in fields]
        lines.append(f"| 0x{command_id:08X} | {command_name(command_id)} | {', '.join(names) or '-'} |")
    return "\n".join(lines)


def tlv_table() -> str:
    """Every standard optional parameter."""
    lines = ["| tag | parameter | kind |", "|---|---|---|"]
    for spec in TLV_SPECS.values():
        size = f" ({spec.size})" if spec.kind is not TlvKind.FLAG else ""
        lines.append(f"| 0x{spec.tag:04X} | {spec.name} | {spec.kind.value.replace('_', ' ')}{size} |")
    return "\n".join(lines)


def document() -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        state_diagram(),
        _REQUESTS,
        request_table(),
        "\n## Commands\n",
        command_table(),
        "\n## Optional parameters\n\nAny other tag is kept as raw octets.\n",
        tlv_table(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())

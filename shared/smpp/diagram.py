"""Pure: docs/smpp-session.md, drawn from the tables in `transitions`, `fields` and `tlv`; what was measured is text.

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

_MEASURED = """
## Speed

`make bench-smpp`, CPython 3.11 with uvloop, one bind on loopback, window 100, submit_sm of 100 octets, receipts of 107;
the server is a process of its own. CPU of the client process, on a shared machine of two cores with a load of 8: the
rate of one core is its inverse, the rate on the clock is what was left. Median of three runs.

| | aim | ours | smpplib 2.2.4 | aiosmpplib 0.7.4 |
|---|---|---|---|---|
| encode submit_sm + decode submit_sm_resp, µs | 8 | 2.4 | 42 | 10 |
| submit and be answered, µs of CPU | | 6.9 | 65 | 700 to 1,740 |
| submit_sm/s of one core | 30,000 | 145,000 | 15,400 | 570 to 1,430 |
| submit_sm/s on the clock | | 30,700 | 9,400 | 100 to 390 |
| receive and answer a deliver_sm, µs of CPU | | 9.6 | 67 | 87 to 114 |
| deliver_sm/s of one core | 20,000 | 104,000 | 14,800 | 8,800 to 11,600 |
| deliver_sm/s on the clock | | 29,000 | 6,800 | 1,300 to 3,500 |

What limits ours is Python's calls and objects. On submitting, the codec is a sixth and system calls a tenth, because
about a hundred PDUs share one write; the rest is an entry of the window, an event and the owner's loop. On receiving,
nearly half is the decoding of a deliver_sm. On the clock it is the peer too, a process of the same code. smpplib has a
socket call and a thread switch for each PDU. aiosmpplib has no window: it queues all, its correlation gets slower the
more is unanswered, and it lost track of some of 6,000.

## Tests

Golden PDUs with their provenance are in `tests/vectors/pdu`; `agreed_by` names the independent readers (smpplib,
smpp.pdu3, aiosmpplib, Wireshark 4.0.17) that read the same, and no other does. Over TCP: smpplib's client against our
server; our client against jSMPP 3.0.0's servers, its clients against ours. `make fuzz` feeds 1,000,000 mutated PDUs
(seed 2775) to the codec, the trace, the binder's record and sessions of either role: values and protocol errors only.
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
        _MEASURED.rstrip("\n"),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())

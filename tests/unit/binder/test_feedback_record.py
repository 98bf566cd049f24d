"""Pure: answers and fences fit the schema."""

from schemas.feedback import Feedback
from services.binder.submit.feedback_record import Answer, Origin, answers_record, fence_record


def test_answers_and_fences_fit_the_schema() -> None:
    origin = Origin("acme", 2, 5, "b0|77")
    out = answers_record(
        origin,
        [Answer("m/0/1/1", 7, "accepted", 50, None, 0, "ab", 40), Answer("m/0/2/1", 8, "not_sent", 50, "no_link")],
    )
    assert (out.topic, out.partition) == ("mt.feedback.acme", 2)
    told = Feedback.from_json(out.value or b"")
    assert (told.kind, told.epoch, told.owner) == ("answers", 5, "b0|77")
    assert [(a.id, a.offset, a.outcome, a.reason, a.command_status) for a in told.answers] == [
        ("m/0/1/1", 7, "accepted", None, 0),
        ("m/0/2/1", 8, "not_sent", "no_link", None),
    ]
    assert Feedback.from_json(fence_record(origin).value or b"").kind == "fence"

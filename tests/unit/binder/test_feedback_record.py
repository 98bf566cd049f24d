"""Pure: answers and fences fit the schema."""

from schemas.feedback import Feedback
from services.binder.submit.feedback_record import Origin, SegmentAnswer, answers_record, fence_record


def test_answers_and_fences_fit_the_schema() -> None:
    origin = Origin("acme", 2, 5, "b0|77")
    answers = [
        SegmentAnswer("m/0/1/1", 7, "accepted", 50, smsc_message_ids=("AB",), join_ids=("ab",), submitted_at_ms=40),
        SegmentAnswer("m/0/2/1", 8, "not_sent", 50, "no_link"),
    ]
    out = answers_record(origin, answers)
    assert (out.topic, out.partition) == ("mt.feedback.acme", 2)
    told = Feedback.from_json(out.value or b"")
    assert (told.schema_version, told.kind, told.epoch, told.owner) == (2, "answers", 5, "b0|77")
    assert [(a.id, a.offset, a.outcome, a.reason, a.submitted_at_ms) for a in told.answers] == [
        ("m/0/1/1", 7, "accepted", None, 40),
        ("m/0/2/1", 8, "not_sent", "no_link", None),
    ]
    assert [(a.smsc_message_ids, a.join_ids) for a in told.answers] == [(("AB",), ("ab",)), ((), ())]
    assert Feedback.from_json(fence_record(origin).value or b"").kind == "fence"

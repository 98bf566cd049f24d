"""Pure: what the encoder takes from a connector's options."""

from services.encoder.plan import plan_of
from tests.unit.encoder.scene import connector


def test_every_option_of_encoding_reaches_the_plan() -> None:
    plan = plan_of(
        connector(
            long_message="sar",
            default_alphabet="latin1",
            gsm7_packed=True,
            national_tables=["turkish"],
            data_coding_map={"gsm7": 241, "8": 24},
            flash_variant="dest_addr_subunit",
            validity="none",
        )
    )
    assert plan.problem == ""
    profile = plan.profile
    assert (profile.long_message, profile.default_alphabet, profile.gsm7_packed) == ("sar", "latin1", True)
    assert (profile.national_tables, profile.data_coding_map) == (("turkish",), {0: 241, 8: 24})
    assert profile.flash_variant == "dest_addr_subunit"
    assert not plan.send_validity
    assert plan.lane_topics == {
        "otp": "mt.segments.acme.otp",
        "txn": "mt.segments.acme.txn",
        "bulk": "mt.segments.acme.bulk",
    }


def test_addresses_are_derived_unless_the_connector_says_otherwise() -> None:
    derived = plan_of(connector())
    assert (derived.source("SHOP").ton, derived.source("SHOP").npi) == (5, 0)
    assert (derived.source("12345").ton, derived.destination("447700900123").npi) == (3, 1)
    given = plan_of(connector(source_ton=2, source_npi=8, dest_ton=0, dest_npi=9))
    assert (given.source("SHOP").ton, given.source("SHOP").npi) == (2, 8)
    assert (given.destination("447700900123").ton, given.destination("447700900123").npi) == (0, 9)


def test_types_of_number_by_kind_of_sender() -> None:
    plan = plan_of(connector(ton_npi={"alphanumeric": "0/0", "short_code": "0/1"}))
    for sender, ton_npi in (("SHOP", (0, 0)), ("12345", (0, 1)), ("447700900123", (1, 1))):
        assert (plan.source(sender).ton, plan.source(sender).npi) == ton_npi
    assert (plan.destination("12345").ton, plan.destination("12345").npi) == (3, 0)


def test_validity_is_a_span_a_time_or_nothing() -> None:
    plans = [plan_of(connector(validity=word)) for word in ("relative", "absolute", "none")]
    assert [(p.send_validity, p.absolute_validity) for p in plans] == [(True, False), (True, True), (False, False)]


def test_a_wrong_map_is_reported_and_counts_as_absent() -> None:
    plan = plan_of(connector(data_coding_map={"klingon": 1}))
    assert plan.profile.data_coding_map == {}
    assert "klingon" in plan.problem
    assert plan.problem.startswith("connector acme: ")

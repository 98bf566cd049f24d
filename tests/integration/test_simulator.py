"""Edge: the simulator over TCP: each behaviour of the scenario as an ESME sees it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from services.binder.smpp.classify import DeliveredMessage, DeliveredReceipt, classify
from services.simulator.submit_log import SubmitLog
from shared.smpp import pdu
from shared.smpp.constants import BindMode, SmppCommandStatus
from shared.smpp.events import BindFailed, Closed, RequestAnswered, SubmitUnknown
from shared.smpp.listener import serve
from shared.smpp.tls import ClientTls
from shared.smpp.tlv import Tag, Tlv
from shared.sms.inbound import read_inbound
from shared.sms.message import ConnectorProfile
from shared.sms.receipt_text import parse_receipt
from tests.integration.simulator_rig import SUBMIT, Esme, read_log, smsc, smsc_process
from tests.unit.shared.smpp.test_tls import self_signed

QUICK = "receipts: {delay_ms: 0}"


def receipt(body: pdu.DeliverSm | pdu.DataSm) -> Any:
    assert isinstance(body, pdu.DeliverSm)
    assert isinstance(classify(body, dlr_by_text=False), DeliveredReceipt)
    return parse_receipt(body.short_message, [(tlv.tag, tlv.value) for tlv in body.tlvs])


async def test_a_submit_is_logged_answered_and_followed_by_its_receipt(tmp_path: Path) -> None:
    async with smsc(tmp_path, f'accounts: [{{system_id: "*", {QUICK}}}]') as sim:
        esme = await Esme().bind(sim.port)
        esme.submit(SUBMIT)
        await esme.until(lambda: len(esme.delivered()) == 1)
        (answered,) = esme.answered()
        assert answered.command_status == 0
        told = receipt(esme.delivered()[0].pdu)
        assert (told.word, told.id_in_text, told.id_in_tlv) == (
            "DELIVRD",
            answered.smsc_message_id,
            answered.smsc_message_id,
        )
        assert told.text == "hello world"
        assert esme.delivered()[0].pdu.destination_addr == "SHOP"
        (line,) = sim.log()
        assert line == {
            "at_ms": line["at_ms"],
            "system_id": "shop",
            "smsc_message_id": answered.smsc_message_id,
            "source_addr": "SHOP",
            "destination_addr": "447700900123",
            "esm_class": 0,
            "data_coding": 0,
            "octets": b"hello world".hex(),
            "part": 1,
            "parts": 1,
            "sequence_number": answered.sequence_number,
        }
        await esme.leave()


async def test_the_line_is_written_before_the_answer_leaves(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'accounts: [{system_id: "*"}]') as sim:
        esme = await Esme().bind(sim.port)
        esme.submit(*(SUBMIT for _ in range(200)))
        await esme.until(lambda: len(esme.answered()) >= 1)
        assert {one.smsc_message_id for one in esme.answered()} <= {line["smsc_message_id"] for line in sim.log()}
        await esme.until(lambda: len(esme.answered()) == 200)
        assert len({line["smsc_message_id"] for line in sim.log()}) == 200


async def test_receipts_only_where_they_are_asked_for(tmp_path: Path) -> None:
    accounts = 'accounts: [{system_id: "*", receipts: {delay_ms: 20, mix: {UNDELIV: 1}, intermediate: 1, err: "021"}}]'
    async with smsc(tmp_path, accounts) as sim:
        esme = await Esme().bind(sim.port)
        wanted = {0: "0", 1: "1", 2: "2", 17: "17"}
        esme.submit(
            *(
                pdu.SubmitSm(destination_addr=number, registered_delivery=asked, short_message=b"x")
                for asked, number in wanted.items()
            )
        )
        await esme.until(lambda: len(esme.delivered()) == 4)
        told = [(one.pdu.source_addr, receipt(one.pdu).word, receipt(one.pdu).err) for one in esme.delivered()]
        assert told[0] == ("17", "ENROUTE", "000")
        assert sorted(told[1:]) == [("1", "UNDELIV", "021"), ("17", "UNDELIV", "021"), ("2", "UNDELIV", "021")]
        assert [one.pdu.esm_class for one in esme.delivered()] == [0x20, 4, 4, 4]


async def test_a_receipt_may_come_before_the_response(tmp_path: Path) -> None:
    async with smsc(tmp_path, f'accounts: [{{system_id: "*", latency_ms: 1000, {QUICK}}}]') as sim:
        esme = await Esme().bind(sim.port)
        esme.submit(SUBMIT)
        await esme.until(lambda: bool(esme.delivered()))
        assert not esme.answered()
        await esme.until(lambda: bool(esme.answered()))
        assert receipt(esme.delivered()[0].pdu).id_in_text == esme.answered()[0].smsc_message_id


async def test_a_receipt_is_sent_again_until_it_is_accepted(tmp_path: Path) -> None:
    answers: list[int | None] = [SmppCommandStatus.ESME_RX_T_APPN, None, 0]
    accounts = """
session: {deliver_timeout_s: 1}
accounts: [{system_id: "*", receipts: {delay_ms: 0, redeliver_after_s: 0.05}}]"""
    async with smsc(tmp_path, accounts) as sim:
        esme = await Esme(answer=lambda _: answers.pop(0)).bind(sim.port)
        esme.submit(SUBMIT)
        account = sim.simulator.accounts["shop"]
        await esme.until(lambda: not answers)
        await esme.leave()
        assert account.counts.receipts_sent == 3
        assert account.counts.receipts_acknowledged == 1
        assert len({one.pdu for one in esme.delivered()}) == 1


async def test_receipts_wait_for_a_bind_that_receives_and_take_turns(tmp_path: Path) -> None:
    async with smsc(tmp_path, f'accounts: [{{system_id: "*", {QUICK}}}]') as sim:
        transmitter = await Esme().bind(sim.port, bind_mode=BindMode.TRANSMITTER)
        transmitter.submit(*(SUBMIT for _ in range(10)))
        await transmitter.until(lambda: len(transmitter.answered()) == 10)
        first = await Esme().bind(sim.port, bind_mode=BindMode.RECEIVER)
        await first.until(lambda: len(first.delivered()) == 10)
        second = await Esme().bind(sim.port, bind_mode=BindMode.RECEIVER)
        transmitter.submit(*(SUBMIT for _ in range(10)))
        await second.until(lambda: len(second.delivered()) == 5)
        await first.until(lambda: len(first.delivered()) == 15)


async def test_what_a_lost_bind_did_not_acknowledge_goes_to_the_next(tmp_path: Path) -> None:
    async with smsc(tmp_path, f'accounts: [{{system_id: "*", {QUICK}}}]') as sim:
        silent = await Esme(answer=lambda _: None).bind(sim.port)
        silent.submit(SUBMIT, SUBMIT)
        await silent.until(lambda: len(silent.delivered()) == 2)
        silent.connection.abort()
        esme = await Esme().bind(sim.port)
        await esme.until(lambda: len(esme.delivered()) == 2)
        assert {one.pdu for one in esme.delivered()} == {one.pdu for one in silent.delivered()}


async def test_the_window_of_deliver_sm_is_kept(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'accounts: [{system_id: "*", receipts: {delay_ms: 0, window: 3}}]') as sim:
        esme = await Esme(answer=lambda _: None).bind(sim.port)
        esme.submit(*(SUBMIT for _ in range(8)))
        await esme.until(lambda: len(esme.answered()) == 8 and len(esme.delivered()) == 3)
        for one in esme.delivered():
            esme.connection.session.answer_deliver(one.sequence_number)
        esme.connection.wake()
        await esme.until(lambda: len(esme.delivered()) == 6)


async def test_above_its_rate_an_account_is_throttled_and_errors_have_their_share(tmp_path: Path) -> None:
    accounts = """
accounts:
  - {system_id: slow, tps: 5}
  - {system_id: "*", errors: [{command_status: 0x14, share: 0.5}, {command_status: ESME_RSUBMITFAIL, share: 0.5}]}"""
    async with smsc(tmp_path, accounts) as sim:
        slow = await Esme().bind(sim.port, "slow")
        slow.submit(*(SUBMIT for _ in range(8)))
        await slow.until(lambda: len(slow.answered()) == 8)
        assert [one.command_status for one in slow.answered()] == [0] * 5 + [0x58] * 3
        other = await Esme().bind(sim.port, "other")
        other.submit(*(SUBMIT for _ in range(50)))
        await other.until(lambda: len(other.answered()) == 50)
        assert {(one.command_status, one.smsc_message_id) for one in other.answered()} == {(0x14, None), (0x45, None)}
        assert len(sim.log()) == 5


async def test_who_may_bind(tmp_path: Path) -> None:
    accounts = """
accounts:
  - {system_id: closed, refuse_binds: ESME_RSYSERR}
  - {system_id: two, max_binds: 2, max_binds_status: ESME_RBINDFAIL}
  - {system_id: safe, password: {env: ANY}}"""
    async with smsc(tmp_path, accounts, passwords={"safe": "right"}) as sim:

        async def status(system_id: str, bind_mode: BindMode = BindMode.TRANSCEIVER, password: str = "") -> int | None:
            esme = await Esme().bind(sim.port, system_id, bind_mode=bind_mode, password=password)
            failed = esme.of(BindFailed)
            return failed[0].command_status if failed else 0

        assert await status("closed") == SmppCommandStatus.ESME_RSYSERR
        assert await status("nobody") == SmppCommandStatus.ESME_RINVSYSID
        assert await status("safe", password="wrong") == SmppCommandStatus.ESME_RINVPASWD
        assert await status("safe", password="right") == 0
        assert await status("two", BindMode.TRANSMITTER) == 0
        assert await status("two", BindMode.RECEIVER) == 0
        assert await status("two") == 0
        assert await status("two") == SmppCommandStatus.ESME_RBINDFAIL


async def test_a_bind_is_cut_after_so_many_submits_and_what_was_logged_gets_no_answer(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'accounts: [{system_id: "*", latency_ms: 50, disconnect_after: 3}]') as sim:
        esme = await Esme().bind(sim.port)
        esme.submit(SUBMIT, SUBMIT, SUBMIT)
        await esme.closed()
        assert esme.of(Closed)[0].reason == "connection_lost"
        assert len(esme.of(SubmitUnknown)) == 3
        assert len(sim.log()) == 3


async def test_a_bind_is_cut_after_its_time(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'accounts: [{system_id: "*", disconnect_every_s: 0.05}]') as sim:
        esme = await Esme().bind(sim.port)
        await esme.closed()
        assert sim.simulator.accounts["shop"].links == []


async def test_a_lost_answer_is_logged_and_has_its_receipt(tmp_path: Path) -> None:
    async with smsc(tmp_path, f'accounts: [{{system_id: "*", unanswered: 1, {QUICK}}}]') as sim:
        esme = await Esme().bind(sim.port)
        esme.submit(SUBMIT)
        await esme.until(lambda: len(esme.delivered()) == 1)
        assert esme.answered() == []
        assert len(sim.log()) == 1


async def test_data_sm_query_cancel_and_the_rest(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'accounts: [{system_id: "*", receipts: {delay_ms: 60000}}]') as sim:
        esme = await Esme().bind(sim.port)

        async def ask(body: Any) -> RequestAnswered:
            known = len(esme.of(RequestAnswered))
            assert esme.connection.session.request("token", body, esme.connection.now())
            esme.connection.wake()
            await esme.until(lambda: len(esme.of(RequestAnswered)) > known)
            return esme.of(RequestAnswered)[-1]

        payload = Tlv(Tag.MESSAGE_PAYLOAD, b"long text")
        accepted = await ask(pdu.DataSm(destination_addr="447700900123", registered_delivery=1, tlvs=(payload,)))
        assert isinstance(accepted.response, pdu.DataSmResp)
        message_id = accepted.response.message_id or ""
        assert sim.log()[0]["octets"] == b"long text".hex()
        assert (await ask(pdu.QuerySm(message_id))).response == pdu.QuerySmResp(message_id, "", 1)
        assert (await ask(pdu.QuerySm("nonsense"))).command_status == SmppCommandStatus.ESME_RQUERYFAIL
        assert (await ask(pdu.CancelSm(message_id=message_id))).command_status == 0
        await esme.until(lambda: bool(esme.delivered()))
        assert receipt(esme.delivered()[0].pdu).word == "DELETED"
        assert (await ask(pdu.CancelSm(message_id=message_id))).command_status == SmppCommandStatus.ESME_RCANCELFAIL
        told = (await ask(pdu.QuerySm(message_id))).response
        assert isinstance(told, pdu.QuerySmResp)
        assert told.message_state == 4
        assert (await ask(pdu.ReplaceSm(message_id))).command_status == SmppCommandStatus.ESME_RREPLACEFAIL
        assert (await ask(pdu.SubmitMulti())).command_status == SmppCommandStatus.ESME_RINVCMDID


async def test_messages_from_handsets_by_scenario(tmp_path: Path) -> None:
    accounts = """
accounts:
  - system_id: "*"
    mo:
      - {from: "447700900999", to: 12345, text: "STOP €", after_s: 0}
      - {from: "447700900998", to: 12345, text: "again", after_s: 0, every_s: 0.01, count: 3}"""
    async with smsc(tmp_path, accounts) as sim:
        esme = await Esme().bind(sim.port)
        await esme.until(lambda: len(esme.delivered()) == 4)
        texts = []
        for one in esme.delivered():
            body = one.pdu
            assert isinstance(body, pdu.DeliverSm)
            assert isinstance(classify(body, dlr_by_text=False), DeliveredMessage)
            inbound = read_inbound(body.short_message, body.data_coding, body.esm_class, (), ConnectorProfile())
            texts.append((body.source_addr, body.destination_addr, inbound.text))
        assert texts.count(("447700900998", "12345", "again")) == 3
        assert texts.count(("447700900999", "12345", "STOP €")) == 1


async def test_a_log_that_cannot_be_written_lets_no_answer_leave(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'accounts: [{system_id: "*"}]') as sim:
        esme = await Esme().bind(sim.port)
        full = SubmitLog(Path("/dev/full")) if Path("/dev/full").exists() else None
        if full is None:
            return
        sim.simulator._log = full
        esme.submit(SUBMIT)
        await esme.closed()
        assert esme.answered() == []
        assert sim.lost == ["the log cannot be written: No space left on device"]
        os.close(full._fd)


# ------------------------------------------------------------------------------------------------------ as a process


async def test_the_process_keeps_the_evidence_over_kill_and_restart_and_its_ids_never_come_again(
    tmp_path: Path,
) -> None:
    scenario = 'version: 1\naccounts: [{system_id: "*"}]'
    ids: list[str | None] = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        async with smsc_process(tmp_path, scenario) as sim:
            esme = await Esme().bind(sim.port)
            esme.submit(*(SUBMIT for _ in range(500)))
            await esme.until(lambda esme=esme: len(esme.answered()) >= 100)  # type: ignore[misc] # bound at once
            code, _ = await sim.end(number)
            assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
            await esme.closed()
            ids += [one.smsc_message_id for one in esme.answered()]
        with sim.log_file.open("ab") as log:
            log.write(b'{"at_ms":1,"torn')
    # All but the torn line at the end: one in the middle would not be JSON.
    whole = sim.log_file.read_bytes().split(b"\n")[:-1]
    logged = [json.loads(line)["smsc_message_id"] for line in whole]
    assert set(ids) <= set(logged)
    assert len(set(logged)) == len(logged)


async def test_sigterm_answers_what_was_accepted_and_unbinds(tmp_path: Path) -> None:
    async with smsc_process(tmp_path, 'version: 1\naccounts: [{system_id: "*", latency_ms: 60000}]') as sim:
        esme = await Esme().bind(sim.port)
        esme.submit(SUBMIT, SUBMIT)
        await wait_for_lines(sim.log_file, 2)
        code, said = await sim.end()
        assert (code, said) == (0, "")
        await esme.closed()
        assert [one.command_status for one in esme.answered()] == [0, 0]
        assert esme.of(Closed)[0].reason == "peer_unbound"
        assert len(read_log(sim.log_file)) == 2


async def wait_for_lines(file: Path, count: int) -> None:
    async with asyncio.timeout(10):
        while file.read_bytes().count(b"\n") < count:
            await asyncio.sleep(0.01)


async def test_the_control_endpoint(tmp_path: Path) -> None:
    scenario = "version: 1\naccounts: [{system_id: shop, receipts: {delay_ms: 0}}]"
    async with smsc_process(tmp_path, scenario, "--control-port", "0") as sim:

        def ask(path: str, body: Any = None) -> tuple[int, Any]:
            raw = json.dumps(body).encode() if body is not None else None
            request = urllib.request.Request(f"http://127.0.0.1:{sim.control_port}{path}", data=raw)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.load(error)

        esme = await Esme().bind(sim.port)
        mo = {"system_id": "shop", "from": "447700900999", "to": "12345", "text": "é" * 200}
        assert await asyncio.to_thread(ask, "/mo", mo) == (200, {"segments": 2, "queued": 0})
        await esme.until(lambda: len(esme.delivered()) == 2)
        octets = {"system_id": "shop", "from": "1", "to": "2", "octets": "00ff", "data_coding": 4}
        assert await asyncio.to_thread(ask, "/mo", octets) == (200, {"segments": 1, "queued": 0})
        await esme.until(lambda: len(esme.delivered()) == 3)
        binary = esme.delivered()[2].pdu
        assert isinstance(binary, pdu.DeliverSm)
        assert (binary.short_message, binary.data_coding) == (b"\x00\xff", 4)
        assert (await asyncio.to_thread(ask, "/mo", {"system_id": "shop", "from": "1"}))[0] == 400
        assert (await asyncio.to_thread(ask, "/mo", mo | {"system_id": "nobody"}))[0] == 404
        esme.submit(SUBMIT)
        await esme.until(lambda: len(esme.delivered()) == 4)
        code, stats = await asyncio.to_thread(ask, "/stats")
        assert (code, stats["shop"]["accepted"], stats["shop"]["receipts_sent"], stats["shop"]["binds"]) == (
            200,
            1,
            1,
            1,
        )
        assert await asyncio.to_thread(ask, "/disconnect", {"system_id": "shop"}) == (
            200,
            {"system_id": "shop", "binds_cut": 1},
        )
        await esme.closed()
        assert (await asyncio.to_thread(ask, "/mo", "x" * 100_001)) == (413, {"error": "at most 100000 octets"})
        assert (await asyncio.to_thread(ask, "/else"))[0] == 404
        assert (await sim.end())[0] == 0


async def test_clients_that_never_finish_a_request_keep_nobody_from_the_control_endpoint(tmp_path: Path) -> None:
    scenario = "version: 1\naccounts: [{system_id: shop}]"
    async with smsc_process(tmp_path, scenario, "--control-port", "0") as sim:
        address = ("127.0.0.1", sim.control_port)
        with contextlib.ExitStack() as stack:
            for _ in range(50):
                idle = stack.enter_context(socket.create_connection(address, timeout=10))
                idle.sendall(b"POST /mo HTTP/1.1\r\nContent-Length: 10\r\n\r\n1")
            url = f"http://127.0.0.1:{sim.control_port}/stats"
            with await asyncio.to_thread(urllib.request.urlopen, url, timeout=10) as answer:
                assert answer.status == 200
            assert (await sim.end())[0] == 0


async def test_the_port_speaks_tls_when_the_scenario_says_so(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "server", "localhost")
    scenario = 'version: 1\ntls: {cert_file: server.pem, key_file: server.key}\naccounts: [{system_id: "*"}]'
    async with smsc_process(tmp_path, scenario) as sim:
        assert "SMPP over TLS on" in sim.first_line
        esme = await Esme().bind(sim.port, tls=ClientTls(pins=(made.pin,)))
        esme.submit(SUBMIT)
        await esme.until(lambda: len(esme.answered()) == 1)
        await esme.leave()


async def test_mistakes_end_it_with_a_sentence(tmp_path: Path) -> None:
    async def run(scenario: str, *arguments: str) -> tuple[int | None, str]:
        file = tmp_path / "scenario.yaml"
        file.write_text(scenario)
        argv = ["-m", "services", "simulator", "--scenario", str(file), "--log", str(tmp_path / "log"), *arguments]
        process = await asyncio.create_subprocess_exec(sys.executable, *argv, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        return process.returncode, said.decode().removeprefix(f"{file}: ")

    good = 'version: 1\naccounts: [{system_id: "*"}]'
    listener = await serve(lambda now: pytest.fail("nobody comes"), "127.0.0.1", 0, lambda *_: None)
    taken = await run(good, "--port", str(listener.port))
    assert taken == (1, f"cannot listen on 127.0.0.1:{listener.port}: address already in use\n")
    await listener.close()
    code, said = await run("version: 1\naccounts: [{system_id: a, latency: 3}]", "--port", "0")
    assert code == 2
    assert said.startswith("accounts[0].latency: is unknown; did you mean latency_ms? allowed: system_id,")
    assert (await run("version: 1\naccounts: [{system_id: a, password: {env: NOT_SET_HERE}}]", "--port", "0")) == (
        2,
        "the password of a is in NOT_SET_HERE, which is not set\n",
    )

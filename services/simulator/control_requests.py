"""Pure: the JSON bodies of the control endpoint, checked."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.simulator.mo import octets_message, text_message
from services.simulator.scenario import ScenarioAddress
from shared.smpp.pdu import DeliverSm

BINARY_DATA_CODING = 4


class Disconnect(BaseModel):
    """POST /disconnect: cut every bind of this system_id."""

    model_config = ConfigDict(extra="forbid")

    system_id: str = Field(min_length=1)


class SendMo(BaseModel):
    """POST /mo: a message from a handset: `text`, or `octets` (hexadecimal) as they are."""

    model_config = ConfigDict(extra="forbid")

    system_id: str = Field(min_length=1)
    from_: ScenarioAddress = Field(alias="from")
    to: ScenarioAddress
    text: str | None = Field(default=None, max_length=10_000)
    octets: str | None = None
    data_coding: int = Field(default=BINARY_DATA_CODING, ge=0, le=255)
    esm_class: int = Field(default=0, ge=0, le=255)

    @model_validator(mode="after")
    def _one_body(self) -> "SendMo":
        if (self.text is None) == (self.octets is None):
            raise ValueError("exactly one of text and octets must be given")
        if self.text is not None and self.model_fields_set & {"data_coding", "esm_class"}:
            raise ValueError("data_coding and esm_class go with octets; text chooses its own")
        return self

    def bodies(self, number: int) -> list[DeliverSm] | str:
        """The deliver_sm to send, or a sentence that says why there are none."""
        if self.text is not None:
            return text_message(self.from_, self.to, self.text, number)
        try:
            octets = bytes.fromhex(self.octets or "")
        except ValueError:
            return "octets: must be hexadecimal"
        return octets_message(self.from_, self.to, octets, self.data_coding, self.esm_class)


RequestT = TypeVar("RequestT", bound=BaseModel)


def read_request(model: type[RequestT], body: bytes) -> RequestT | str:
    """The request in a body of JSON, or what is wrong with it, by key."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        return "; ".join(_sentence(one) for one in error.errors(include_url=False))


def _sentence(error: Any) -> str:
    key = ".".join(map(str, error["loc"]))
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}" if key else message

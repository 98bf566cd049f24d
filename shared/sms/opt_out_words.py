"""Pure: STOP, START and HELP: the words by which people leave, come back and ask, and who says so (docs/inbound.md).

Letters are compared without regard to case, width and composition (NFKC, case folded). A word counts when it is the
whole message, marks and punctuation aside. The words that begin a line in `LEADING` also count with one word behind
them (a keyword, a name) or with fillers such as `please`: STOP SHOP, Stop sending me messages.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias
from unicodedata import normalize

from shared.sms.inbound import words

OptOutWish: TypeAlias = Literal["stop", "start", "help"]


class OptOutWords(NamedTuple):
    """Words of one language, as one document names them."""

    language: str
    wish: OptOutWish
    words: tuple[str, ...]
    source: str


_FCC = "47 CFR 64.1200(a)(10)"
_AWS = "docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html"
_TELNYX = "support.telnyx.com/en/articles/1270091"
_UNSUBSCRIBE = "github.com/colinking/n1-unsubscribe/issues/50"

OPT_OUT_WORDS: Final = (
    OptOutWords("English", "stop", ("STOP", "QUIT", "END", "REVOKE", "OPT OUT", "CANCEL", "UNSUBSCRIBE"), _FCC),
    OptOutWords("English", "stop", ("STOPALL", "STOP ALL"), _TELNYX),
    OptOutWords("English", "stop", ("OPTOUT", "REMOVE"), _AWS),
    OptOutWords("French", "stop", ("ARRET", "ARRÊT"), _AWS),
    OptOutWords("French", "stop", ("FIN",), "github.com/cds-snc/notification-terraform/pull/2090"),
    OptOutWords("French", "stop", ("DÉSABONNEMENT",), _UNSUBSCRIBE),
    OptOutWords("Spanish", "stop", ("ALTO",), "twilio.com/help/faq/short-codes (Spanish-language short codes)"),
    OptOutWords("Spanish", "stop", ("DARSE DE BAJA", "BAJA"), _UNSUBSCRIBE),
    OptOutWords("Portuguese", "stop", ("SAIR",), "Anatel, 26 June 2012; link.estadao.com.br"),
    OptOutWords("German", "stop", ("STOPP",), "KEM-V (Austria), heise.de/newsticker/meldung/79673"),
    OptOutWords("Dutch", "stop", ("STOP",), "GOF guidelines (Belgium): STOP, also misspelt"),
    OptOutWords("Danish", "stop", ("AFMELD",), _UNSUBSCRIBE),
    OptOutWords("Icelandic", "stop", ("AFSKRÁ",), _UNSUBSCRIBE),
    OptOutWords("Serbian", "stop", ("ОДЈАВИТИ",), _UNSUBSCRIBE),
    OptOutWords("Russian", "stop", ("СТОП",), "nowadayhitech.com/10820528 (STOP or its spelling in Russian letters)"),
    OptOutWords("Russian", "stop", ("ОТКАЗАТЬСЯ ОТ ПОДПИСКИ",), _UNSUBSCRIBE),
    OptOutWords("Turkish", "stop", ("RET", "İPTAL", "IPTAL"), "toplusms.org/toplusms-ret-hakki.html (Law 6563, 8)"),
    OptOutWords("Indonesian", "stop", ("UNREG", "UNSUB", "OFF"), "plimbi.com/article/1795"),
    OptOutWords("Hebrew", "stop", ("הסר",), "what senders ask for under the Communications Law, 30A (Israel)"),
    OptOutWords("Hebrew", "stop", ("לבטל את המנוי",), _UNSUBSCRIBE),
    OptOutWords("Arabic", "stop", ("إلغاء الاشتراك",), _UNSUBSCRIBE),
    OptOutWords("Haitian Creole", "stop", ("KOUPE ABÒNMAN",), _UNSUBSCRIBE),
    OptOutWords("Chinese", "stop", ("TD",), _AWS),
    OptOutWords("Chinese", "stop", ("退订", "退訂"), _UNSUBSCRIBE),
    OptOutWords("Korean", "stop", ("수신거부", "무료거부"), "Network Act, 50(4); invitobiz.com/findNoti?seq=576"),
    OptOutWords("Thai", "stop", ("ยกเลิก",), "NBTC *137; sanook.com/money/177395"),
    OptOutWords("English", "start", ("START", "UNSTOP"), _AWS),
    OptOutWords("English", "help", ("HELP", "INFO"), "braze.com/docs, opt-in and opt-out keywords"),
    OptOutWords("French", "help", ("AIDE",), "docs.aws.amazon.com/end-user-messaging (French compliance keywords)"),
    OptOutWords("Spanish", "help", ("AYUDA",), "twilio.com/help/faq/short-codes (Spanish-language short codes)"),
)

COMMAND_MAX: Final = 160
"""Characters. What says more than a segment is no command, and is not looked at word by word."""

LEADING: Final = frozenset({"stop", "stopp", "stopall", "unsubscribe", "arret", "arrêt", "unreg", "стоп"})
FILLERS: Final = frozenset(
    {"all", "it", "me", "messages", "message", "msg", "msgs", "now", "please", "pls", "sending", "sms", "text",
     "texting", "texts", "thanks", "thank", "you", "this", "these"}
)  # fmt: skip


def folded(text: str) -> str:
    """`text` for comparing: NFKC, case folded, the dot that folding leaves on a Turkish i taken off."""
    return normalize("NFKC", normalize("NFKC", text).casefold().replace("i̇", "i"))


_WISHES: Final[Mapping[str, OptOutWish]] = {
    " ".join(words(folded(word))): entry.wish for entry in OPT_OUT_WORDS for word in entry.words
}


@lru_cache(maxsize=256)
def _own(more_words: Collection[str]) -> frozenset[str]:
    return frozenset(" ".join(words(folded(word))) for word in more_words)


def wish_of(text: str, more_words: tuple[str, ...] = ()) -> OptOutWish | None:
    """What the sender of a message wishes; None for anything else. `more_words` are further words for `stop`."""
    if len(text) > COMMAND_MAX:
        return None
    said = words(folded(text))
    if not said:
        return None
    phrase = " ".join(said)
    wish: OptOutWish | None = "stop" if more_words and phrase in _own(more_words) else _WISHES.get(phrase)
    if wish is None and said[0] in LEADING and (len(said) == 2 or FILLERS.issuperset(said[1:])):
        return "stop"
    return wish

from pathlib import Path

from shared.smpp.diagram import document


def test_the_page_in_the_docs_is_current() -> None:
    """If not: python -m shared.smpp.diagram > docs/smpp-session.md"""
    page = Path(__file__).parents[4] / "docs" / "smpp-session.md"
    assert page.read_text() == document()

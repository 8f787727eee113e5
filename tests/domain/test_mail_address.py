"""Mail addresses: what a mail server is given, and what no mail can be sent to."""

import idna
import pytest

from stockkeeper.domain.mail_address import deliverable


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "Ann.B+po@Example.COM",
        "o'brien@example.com",
        "!#$%&'*+/=?^_`{|}~-@x.example",
        '"Smith, John"@example.com',
        '"a@b"@example.com',
        '"say \\"hi\\""@example.com',
        "root@localhost",
        "a@xn--mller-kva.example",
        f"{'a' * 64}@example.com",
    ],
)
def test_an_address_in_ascii_stays_as_it_is(address: str) -> None:
    assert deliverable(address) == address


@pytest.mark.parametrize(
    "domain",
    [
        "müller.example",
        "MÜLLER.example",
        "mu\u0308ller.example",
        "straße.example",
        "faß.de",
        "例え.jp",
        "ελλάς.gr",
        "пример.рф",
    ],
)
def test_a_domain_in_any_script_is_the_one_that_idna_makes_of_it(domain: str) -> None:
    encoded = idna.encode(domain, uts46=True, transitional=False).decode()
    assert deliverable(f"info@{domain}") == f"info@{encoded}"


NEEDS_QUOTES = (
    "must be a mail address; commas, spaces and brackets before the @ need quotation marks, such as "
    '"Mill, Ann"@example.com'
)


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        *((each, "must be a mail address") for each in ("", "ann", "@example.com", "ann@")),
        *(
            (each, "must be a mail address with only a to z before the @; few servers take other letters")
            for each in ("müller@example.com", '"müller"@example.com', "ann\u200b@example.com")
        ),
        *(
            (each, NEEDS_QUOTES)
            for each in (
                "smith,john@example.com",
                "a b@example.com",
                "a@b@example.com",
                ".ann@example.com",
                "a..n@example.com",
                "Ann <ann@example.com",
                '"ann"b@example.com',
                "a(b)@example.com",
                "ann\n@example.com",
            )
        ),
        *(
            (each, "must be a mail address with a domain after the @, such as example.com")
            for each in (
                "ann@example..com",
                "ann@-example.com",
                "ann@exam ple.com",
                "ann@example.com>",
                "ann@example.com,ben",
                "ann@[192.0.2.1]",
                "ann@ﬁsch.example",
                "ann@-ü.example",
                "ann@ü-.example",
                "ann@ü\u200b.example",
                f"ann@{'a' * 64}.example",
            )
        ),
        *(
            (each, "must be a mail address of at most 254 letters, 64 of them before the @")
            for each in (f"{'a' * 65}@example.com", f"ann@{'a.' * 125}aa")
        ),
    ],
)
def test_what_no_mail_can_be_sent_to_is_refused_by_a_rule(address: str, rule: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        deliverable(address)
    assert str(refused.value) == rule

"""What a client of tools makes of an answer."""

import pytest

from roadworthy.tools.http.response import Response


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/html; charset=ISO-8859-1", b"caf\xe9", "café"),
        ('text/html; boundary=x; Charset="windows-1251"', b"\xcf\xf0", "Пр"),
        ("text/html; charset=Shift_JIS", "日本".encode("shift_jis"), "日本"),
        ("text/html; charset=gb2312", "中文".encode("gb2312"), "中文"),
        ("text/html; charset=EUC-KR", "한국".encode("euc-kr"), "한국"),
        ("text/html; charset=utf-16le", "é".encode("utf-16le"), "é"),
        ("text/html; charset=koi8-r", "да".encode("koi8-r"), "да"),
        ("text/html", "é".encode(), "é"),
        ("", b"\xff", "�"),
    ],
)
def test_text_is_read_in_the_charset_of_the_service(content_type: str, body: bytes, text: str) -> None:
    assert Response(200, {"Content-Type": content_type}, body, "u").text == text


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "undefined", "utf-7", "unicode_escape", "hex", "a\0b", "iso-8859-99", "windows-1259"],
)
def test_a_charset_that_is_no_usual_one_is_read_as_utf8(charset: str) -> None:
    body = "café-0\\u0041+AEE-".encode()
    assert Response(200, {"Content-Type": f'text/html; charset="{charset}"'}, body, "u").text == body.decode()
    assert Response(200, {"Content-Type": f"text/html; charset*={charset}''utf-8"}, body, "u").text == body.decode()

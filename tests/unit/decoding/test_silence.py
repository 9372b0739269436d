"""Decoding says nothing of what it reads: it runs where whatever is printed or logged ends in Spark's log."""

import logging


def test_nothing_is_said_of_a_record(land, headers, document, resident_id, caplog, capfd):
    stranger = document | {"note": f"住在 {resident_id(77)} 家"}
    with caplog.at_level(logging.DEBUG):
        rows = land((headers, document), (headers, stranger), (headers, document | {"visits": "x"}), (None, b"{"))
    assert [row["_accepted"] for row in rows] == [True, False, False, False]
    said = capfd.readouterr()
    assert (caplog.records, said.out, said.err) == ([], "", "")

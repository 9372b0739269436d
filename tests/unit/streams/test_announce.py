import json
from datetime import datetime, timedelta, timezone

from streams.announce import message

ROW = {
    "dataset": "office.paper",
    "dataset_seq": 7,
    "kind": "released",
    "payload": {"release": 3, "rows": {"current": 10}, "reason": "更正"},
    "created_at": datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=8))),
}


def test_a_message_is_a_cloud_event_in_binary_mode():
    key, value, headers = message(**ROW)
    assert key == b"office.paper"
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"office.paper/7",
        "ce_source": b"/commonweal",
        "ce_type": b"commonweal.released",
        "ce_time": b"2026-03-01T00:30:00Z",
        "content-type": b"application/json",
    }
    assert json.loads(value) == {"release": 3, "rows": {"current": 10}, "reason": "更正", "dataset_seq": 7}
    assert "更正".encode() in value


def test_sending_it_again_sends_the_same():
    reordered = {**ROW, "payload": dict(reversed(ROW["payload"].items()))}
    assert message(**ROW) == message(**reordered)


def test_the_sequence_is_the_platforms_whatever_the_payload_says():
    assert json.loads(message(**{**ROW, "payload": {"dataset_seq": 99}}).value)["dataset_seq"] == 7

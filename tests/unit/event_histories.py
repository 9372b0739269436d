"""Events of one key, as rows to be placed, and random histories of them."""

from hypothesis import strategies as st

from commonweal.states import Event, Target


def event(event_id, **given):
    """One event of key ``k``; the target's standing is filled in by ``placed``."""
    usual = {"event_type": "recorded", "replaces": None, "digest": event_id, "occurred_at": 1, "sequence": None, "recorded_at": 1}
    words = {"kind": "event_type", "at": "occurred_at", "recorded": "recorded_at"}
    return {"event_id": event_id, "source": "/d", **usual, **{words.get(name, name): value for name, value in given.items()}}


def placed(rows: list[dict]) -> list[Event]:
    """Give rows offsets in their order, and work out id conflicts and targets as landing's joins would."""
    contents = {}
    for row in rows:
        contents.setdefault(row["event_id"], set()).add(row["digest"])
    events = []
    for offset, row in enumerate(rows):
        values = dict(row)
        target = Target.NONE if row["replaces"] is None else Target.SAME_KEY if row["replaces"] in contents else Target.ABSENT
        values["target"] = values.get("target", target)
        events.append(Event(place=("t", 0, offset), id_conflict=len(contents[row["event_id"]]) > 1, **values))
    return events


def content(row: dict) -> str:
    """Content as landing digests it: one digest, one content."""
    return f"{row['digest']}|{row['event_type']}|{row['replaces']}|{row['occurred_at']}|{row['sequence']}"


@st.composite
def histories(draw):
    """Up to seven events of few ids, so that repeats, conflicts, chains, cycles and ties all happen."""
    ids = "abcde"
    rows = []
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["recorded", "recorded", "corrected", "withdrawn"]))
        rows.append(
            event(
                draw(st.sampled_from(ids)),
                kind=kind,
                replaces=None if kind == "recorded" else draw(st.sampled_from(ids + "z")),
                digest=draw(st.sampled_from(["x", "y", "z"])) + kind,
                at=draw(st.integers(1, 3)),
                sequence=draw(st.sampled_from([None, 1, 2])),
                recorded=draw(st.integers(1, 3)),
            )
        )
    return rows

"""Two registers of the same people, for ``history``: who is registered or has died, and who gets social assistance.

Every fifth person has a case. One case in four hundred is paid on after its person's death, and one is a person's second, of a
programme that excludes the first: one finding for two hundred cases. Everyone is invented.
"""

PEOPLE_A_CASE = 5

_IS_DEAD = "(id % 2000 = 505 or id % 100 = 3)"
"""Of 2,000 people: one with case 101 of 400, and twenty without a case."""
_DAY = "date_add(date'{}', cast(id % {} as int))".format

REGISTER_FIELDS = {
    "registration_no": "concat('R', lpad(id, 10, '0'))",
    "person_key": "sha2(cast(concat('person-', id) as binary), 256)",
    "registration_event_code": f"if({_IS_DEAD}, 'death', 'register')",
    "changed_on": f"if({_IS_DEAD}, {_DAY('2024-03-04', 90)}, {_DAY('2001-01-01', 7000)})",
    "change_sequence": "{day}",
    "died_on": f"if({_IS_DEAD}, {_DAY('2024-03-01', 90)}, null)",
    "household_no": "concat('H', lpad(id div 3, 10, '0'))",
    "area_code": "cast(990101 + id % 4 as string)",
}
"""One entry a person."""

CASES_FIELDS = {
    "case_no": "concat('C', lpad(id, 10, '0'))",
    "person_key": f"sha2(cast(concat('person-', {PEOPLE_A_CASE} * if(id % 400 = 1, id - 1, id)) as binary), 256)",
    "programme_code": (
        "element_at(array('subsistence_allowance', 'extreme_hardship', 'subsistence_allowance', 'temporary_assistance'), "
        "cast(1 + id % 4 as int))"
    ),
    "status_code": "if(id % 50 = 49, 'suspended', 'active')",
    "opened_on": _DAY("2023-07-01", 365),
    "changed_on": f"if({{day}} = 0, {_DAY('2023-07-01', 365)}, date'2024-10-01')",
    "monthly_amount_cny": "500 + id % 1500 + 50 * {day}",
    "paid_through_on": "date'2024-12-31'",
    "area_code": "cast(990101 + id % 4 as string)",
}
"""Six to eighteen months of payments a case, all up to the end of 2024; a later day raises the amount from October 2024 on.

Day 1 touches the cases that are paid after a death, so that their findings change.
"""

"""Offsets without a record: a warning, never a refusal, and only once."""

from dataclasses import replace


def test_offsets_without_a_record_are_reported_only(good):
    verdict = replace(good, since=replace(good.since, gaps=1)).verdict()
    assert verdict.passed
    (warning,) = verdict.warnings
    assert (warning.id, warning.count) == ("gaps", 1)
    assert "1" in warning.sentence.en
    assert "1" in warning.sentence.zh
    assert warning.cure.en
    assert warning.cure.zh


def test_gaps_of_earlier_releases_warn_no_more(good, good_product):
    assert good.accounting.gaps > 0
    assert "gaps" in {check.id for check in good.verdict().checks}
    assert "gaps" not in {check.id for check in good_product.verdict().checks}
    assert good.verdict().warnings == ()

"""The rule that no contract is exempt from: never a score, rank, rating or label of a person.

It reads every text of a contract that is about people. A word is refused wherever it stands, in a denial too: a contract says
what a field is, not what it isn't. An honest limit: a score that is called by an innocent word is found by a reviewer, not here.
"""

import re
import unicodedata
from collections.abc import Iterator

from commonweal.contract.model import Contract, Field, Text

RULE = "never_score"
_ENGLISH = re.compile(
    r"\b(scor(e|es|ed|ing|ecard|ecards)|rank(s|ed|ing|ings)?|ratings?|label(s|led|ling|ed|ing)?|profil(e|es|ed|ing)"
    r"|blacklist(s|ed|ing)?|whitelist(s|ed|ing)?|(black|red) list(s|ed)?|percentiles?|deciles?|quantiles?|propensity|reputation"
    r"|(trust|credit|reli)(worthiness|worthy|ability)"
    r"|(risk|credit|trust|behaviou?r|loyalty) (level|grade|class|tier|band|group|index|point)s?)\b"
)
_CHINESE = re.compile(
    "评分|打分|得分|分数|积分|计分|记分|信用分|排名|排行|排序|名次|评级|评等|标签|贴标|打标|画像|黑名单|红名单|失信名单|信誉"
    "|(信用|风险|诚信|信任|行为|忠诚)(等级|级别|分级|指数|评价|评估)"
)
_PEOPLE = re.compile(
    r"\b(person|people|persons|resident|residents|citizen|citizens|individual|individuals|household|households|family|families|patient"
    r"|patients|recipient|recipients|child|children|worker|workers|owner|owners|user|users)\b|人|居民|公民|家庭|户|患者|儿童|职工|群众"
)
_HIDDEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")


def asks_for_score(contract: Contract) -> tuple[str, ...]:
    """Places of a contract about people that ask for a score, rank, rating or label; empty when none does."""
    texts = list(_texts(contract))
    if not is_about_people(contract):
        return ()
    return tuple(sorted({place for place, text in texts if is_score(text)}))


def is_score(text: str) -> bool:
    """True when the text names a score, rank, rating or label, in English or Chinese.

    >>> is_score("riskLevel"), is_score("信用 等级"), is_score("unified social credit code")
    (True, True, False)
    """
    plain = _plain(text)
    return bool(_ENGLISH.search(plain) or _CHINESE.search(re.sub(r"\s+", "", plain)))


def is_about_people(contract: Contract) -> bool:
    """True when a field is personal, or a text speaks of people."""
    if any(field.personal != "none" or field.identifier for field in contract.fields):
        return True
    return any(_PEOPLE.search(_plain(text)) for _, text in _texts(contract))


def _plain(text: str) -> str:
    folded = _HIDDEN.sub("", unicodedata.normalize("NFKC", text))
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", folded)
    return re.sub(r"[\W_]+", " ", split).casefold()


def _texts(contract: Contract) -> Iterator[tuple[str, str]]:
    yield "id", contract.id
    yield from _both("name", contract.title)
    yield from _both("description", contract.description)
    yield from (("tags", tag) for tag in contract.tags)
    for place, field in enumerate(contract.fields):
        yield from _field_texts(f"schema.0.properties.{place}", field)
    for purpose in contract.purposes:
        yield from _both("purposes", purpose.title)


def _field_texts(path: str, field: Field) -> Iterator[tuple[str, str]]:
    yield from ((path, text) for text in (field.name, field.physical_name, field.column))
    yield from _both(path, field.title)
    yield from _both(path, field.description)
    for code in field.codes:
        yield path, code.value
        yield from _both(path, code.title)
        yield from ((path, text) for text in code.physical)


def _both(path: str, text: Text) -> Iterator[tuple[str, str]]:
    yield path, text.en
    yield path, text.zh

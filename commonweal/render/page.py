"""Contract -> the dataset's page in Markdown, English and Chinese side by side.

A contract's texts are data: whatever in them could be read as Markdown or HTML is escaped.
"""

import re
from collections.abc import Iterable, Mapping

from commonweal.contract.inputs import downstream, upstream
from commonweal.contract.model import Contract, Field, Rule, Text

_SHARING = {
    "unconditional": Text(en="unconditional", zh="无条件共享"),
    "conditional": Text(en="conditional", zh="有条件共享"),
    "not_shared": Text(en="not shared", zh="不予共享"),
}
_LEVEL = {
    "general": Text(en="general", zh="一般"),
    "important": Text(en="important", zh="重要"),
    "core": Text(en="core", zh="核心"),
}
_KIND = {
    "source": Text(en="source: events of the department", zh="源数据：部门事件"),
    "product": Text(en="product: made from released datasets", zh="产品：由已发布数据集生成"),
}
_PERSONAL = {
    "none": Text(en="no", zh="否"),
    "identifier": Text(en="identifier", zh="标识符"),
    "quasi_identifier": Text(en="quasi-identifier", zh="准标识符"),
    "sensitive": Text(en="sensitive", zh="敏感"),
}
_SEVERITY = {"fail": Text(en="refuses the release", zh="拒绝发布"), "warn": Text(en="is reported", zh="仅作提示")}


def page(contract: Contract, contracts: Mapping[str, Contract]) -> str:
    """The page of one dataset.

    Args:
        contract: The dataset.
        contracts: All contracts by id, for what it is made from and what is made from it.
    """
    sections = [
        f"# {_plain(contract.title.en)} · {_plain(contract.title.zh)}",
        f"<!-- From schemas/{contract.department}/{contract.name}.yaml by `commonweal contract pages --write`; don't edit. -->",
        _plain(contract.description.en),
        _plain(contract.description.zh),
        _facts(contract),
        _fields(contract),
        _codes(contract),
        _rules(contract),
        _purposes(contract),
        _promise(contract),
        _suppression(contract),
        _lineage(contract, contracts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(contract: Contract) -> str:
    rows = [
        ("Id · 标识", _code(contract.id)),
        ("Version · 版本", f"{_code(contract.version)} ({_plain(contract.status)})"),
        ("Kind · 类型", _both(_KIND[contract.kind])),
        ("One row per · 粒度", ", ".join(map(_code, contract.key_columns))),
        ("Sharing · 共享属性", _both(_SHARING[contract.sharing])),
        ("Conditions · 共享条件", ", ".join(map(_code, contract.sharing_conditions))),
        ("Basis · 依据", _plain(contract.sharing_basis or "")),
        ("Open data · 开放数据", "yes · 是" if contract.is_open else "no · 否"),
        ("Classification · 数据级别", _both(_LEVEL[contract.classification])),
        ("Takes effect · 生效时间", ", else ".join(map(_code, contract.occurred_at))),
        ("Topic · 主题", _code(contract.topic) if contract.kind == "source" else ""),
    ]
    return _table(("", ""), (row for row in rows if row[1]))


def _fields(contract: Contract) -> str:
    export = ["In the export · 导出列名"] if contract.kind == "source" else []
    head = ("Column · 列", "Type · 类型", "Title · 名称", "Meaning · 含义", *export, "Personal · 个人信息")
    return "## Fields · 字段\n\n" + _table(head, (_field(field, contract) for field in contract.fields))


def _field(field: Field, contract: Contract) -> tuple[str, ...]:
    name = _code(field.column) + (f" (in the event: {_code(field.name)})" if field.column != field.name else "")
    needed = " · required · 必填" if field.required else ""
    personal = _both(_PERSONAL[field.personal]) + (f" → {_code(field.treatment)}" if field.treatment else "")
    physical = [_code(field.physical_name)] if contract.kind == "source" else []
    return name, _type(field) + needed, _both(field.title), _both(field.description, "<br>"), *physical, personal


def _type(field: Field) -> str:
    return f"decimal({field.precision},{field.scale})" if field.type == "decimal" else field.type


def _codes(contract: Contract) -> str:
    export = contract.kind == "source"
    rows = [
        (_code(field.column), _code(code.value), _both(code.title), *([", ".join(map(_code, code.physical))] if export else []))
        for field in contract.fields
        for code in field.codes
    ]
    head = ("Column · 列", "Code · 代码", "Meaning · 含义", *(["In the export · 导出写法"] if export else []))
    return "## Codes · 代码表\n\n" + _table(head, rows) if rows else ""


def _rules(contract: Contract) -> str:
    head = ("Rule · 规则", "Table · 表", "If it is broken · 不满足时", "Sentence · 说明")
    return "## Quality rules · 质量规则\n\n" + _table(head, (_rule(rule) for rule in contract.rules))


def _rule(rule: Rule) -> tuple[str, ...]:
    return _code(rule.id), _code(rule.table), _both(_SEVERITY[rule.severity]), _both(rule.sentence, "<br>")


def _purposes(contract: Contract) -> str:
    head = ("Purpose · 用途", "Title · 名称", "Legal basis · 法律依据")
    rows = ((_code(item.code), _both(item.title), _plain(item.legal_basis)) for item in contract.purposes)
    return "## Purposes · 用途\n\n" + _table(head, rows)


def _promise(contract: Contract) -> str:
    kept = contract.retention
    rows = [("From event to release · 从事件到发布", f"{contract.freshness_minutes} min")]
    if contract.kind == "source":
        rows += [
            ("Records in the topic · 主题中的记录", f"{kept.topic_days} d"),
            ("Landed events · 入湖事件", f"{kept.events_days} d"),
        ]
    rows += [
        ("Every release · 全部版本", f"{kept.releases_days} d"),
        ("Last release of a day · 每日最后版本", f"{kept.daily_days} d"),
        ("Last release of a month · 每月最后版本", f"{kept.monthly_days} d"),
    ]
    return "## Promise and retention · 时效与保存\n\n" + _table(("What · 内容", "How long · 时长"), rows)


def _suppression(contract: Contract) -> str:
    rule = contract.suppression
    if rule is None:
        return ""
    rows = [
        ("Cell · 单元格", ", ".join(map(_code, rule.dimensions))),
        ("Period · 周期", _code(rule.period)),
        ("Counted · 计数", ", ".join(map(_code, (rule.count, *rule.numerators)))),
        ("Hidden together · 一并隐藏", ", ".join(map(_code, rule.measures))),
        ("Margins · 汇总维度", "; ".join(", ".join(map(_code, margin)) or "total · 总计" for margin in rule.margins)),
        ("Hidden below · 隐藏阈值", str(rule.threshold)),
        ("Closed after · 周期结束后", f"{rule.settle_days} d"),
        ("Revised on · 修订日期", ", ".join(day.isoformat() for day in rule.revisions) or "never · 无"),
    ]
    return "## Small cells · 小单元格保护\n\n" + _table(("", ""), rows)


def _lineage(contract: Contract, contracts: Mapping[str, Contract]) -> str:
    inputs = [f"- made from · 来源 {_link(item.dataset)} ({item.table}) as `{item.name}`" for item in contract.inputs]
    further = sorted(set(upstream(contracts, contract.id)) - {item.dataset for item in contract.inputs})
    lines = [
        *inputs,
        *(f"- made from, through these · 间接来源 {_link(item)}" for item in further),
        *(f"- used by · 用于 {_link(item)}" for item in downstream(contracts, contract.id)),
    ]
    return "## Lineage · 血缘\n\n" + ("\n".join(lines) or "Nothing is made from it yet. · 尚无下游数据集。")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = list(head)
    lines = [cells, ["---"] * len(cells), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _both(text: Text, between: str = " · ") -> str:
    return f"{_plain(text.en)}{between}{_plain(text.zh)}"


def _link(dataset: str) -> str:
    return f"[{dataset}]({dataset}.md)"


def _plain(text: str) -> str:
    """The text on one line, with everything escaped that Markdown or HTML would act on."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", line)


def _code(text: str) -> str:
    # A code span can't hold a backtick, and a pipe ends a table's cell even inside one.
    return f"`{' '.join(text.split()).replace('`', 'ˋ').replace('|', '¦')}`"

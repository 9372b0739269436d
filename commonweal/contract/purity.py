"""That a transform is a pure function of its inputs: read from its source, which is never run.

A transform may build columns and data frames with Spark's own functions and nothing else. What it may not do is listed by name,
so this catches slips, not someone who hides: contracts and transforms are reviewed.
"""

import ast
import re
from collections.abc import Iterator

IMPORTS = frozenset({"pyspark.sql", "pyspark.sql.functions", "pyspark.sql.types", "pyspark.sql.window", "decimal", "typing"})
NAMES = {
    "builtin": ("open", "print", "input", "eval", "exec", "compile", "getattr", "globals", "vars", "__import__", "breakpoint"),
    "session": ("SparkSession",),
}
ATTRIBUTES = {
    "session": ("sparkSession", "sparkContext", "rdd", "catalog", "conf", "sql", "createDataFrame", "builder",
                "getActiveSession"),
    "I/O": ("read", "readStream", "write", "writeTo", "writeStream", "foreach", "foreachPartition", "createTempView", "mergeInto",
            "createOrReplaceTempView", "createGlobalTempView", "createOrReplaceGlobalTempView", "table"),
    "collect": ("collect", "toPandas", "toArrow", "toLocalIterator", "take", "head", "first", "tail", "show", "isEmpty", "toJSON",
                "printSchema", "explain", "collectAsArrow"),
    "cache": ("cache", "persist", "unpersist", "checkpoint", "localCheckpoint"),
    "Python UDF": ("udf", "pandas_udf", "arrow_udf", "udtf", "arrow_udtf", "mapInPandas", "mapInArrow", "applyInPandas",
                   "applyInArrow", "cogroup", "call_udf", "call_function", "java_method", "reflect", "register"),
    "clock": ("current_date", "current_timestamp", "curdate", "now", "localtimestamp", "unix_timestamp", "today", "utcnow"),
    "randomness": ("rand", "randn", "random", "uuid", "shuffle", "sample", "randomSplit", "randstr",
                   "monotonically_increasing_id"),
    "hidden fault": ("distinct", "dropDuplicates", "drop_duplicates", "dropDuplicatesWithinWatermark", "try_divide", "any_value"),
}  # fmt: skip
TEXTS = ("clock", "randomness", "Python UDF", "collect")
"""Kinds that a piece of SQL in a text can name, too."""


def impurities(source: str) -> tuple[str, ...]:
    """What in a transform's source is not allowed, each with its line; empty when it is pure."""
    tree = ast.parse(source)
    found = [*_shape(tree), *(problem for node in ast.walk(tree) for problem in _problems(node))]
    return tuple(f"line {line}: {problem}" for line, problem in sorted(found))


def _shape(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """One public function, ``transform``, with keyword-only arguments."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)) and not _is_text(node):
            yield node.lineno, "only imports, constants and functions may stand at the top"
    public = [node for node in functions if not node.name.startswith("_")]
    if [node.name for node in public] != ["transform"]:
        yield 1, "the module must have one public function, transform"
    for node in public:
        if node.args.args or node.args.posonlyargs or node.args.vararg or node.args.kwarg or node.args.defaults:
            yield node.lineno, "arguments of transform are keyword-only, without defaults"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _problems(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, f"import of {name.name}") for name in node.names if name.name not in IMPORTS)
    elif isinstance(node, ast.ImportFrom):
        if node.module not in IMPORTS:
            yield node.lineno, f"import from {node.module}"
        for name in node.names:
            yield from (
                (node.lineno, f"{kind}: {name.name}") for kind in _kinds(name.name, NAMES) + _kinds(name.name, ATTRIBUTES)
            )
    elif isinstance(node, ast.Attribute):
        yield from ((node.lineno, f"{kind}: {node.attr}") for kind in _kinds(node.attr, ATTRIBUTES))
    elif isinstance(node, ast.Name):
        yield from ((node.lineno, f"{kind}: {node.id}") for kind in _kinds(node.id, NAMES))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _in_text(node, node.value)
    elif isinstance(node, ast.Call):
        yield from _join_without_how(node)


def _kinds(name: str, table: dict[str, tuple[str, ...]]) -> list[str]:
    return [kind for kind, names in table.items() if name in names]


def _in_text(node: ast.Constant, text: str) -> Iterator[tuple[int, str]]:
    called = {word.lower() for word in re.findall(r"\b(\w+)\s*\(", text)} | {
        word.lower() for word in re.findall(r"\bcurrent_\w+", text)
    }
    for kind in TEXTS:
        yield from ((node.lineno, f"{kind} in a text: {name}") for name in ATTRIBUTES[kind] if name.lower() in called)


def _join_without_how(node: ast.Call) -> Iterator[tuple[int, str]]:
    method = node.func
    if not isinstance(method, ast.Attribute) or method.attr != "join" or isinstance(method.value, ast.Constant):
        return
    if "how" not in {keyword.arg for keyword in node.keywords}:
        yield node.lineno, "a join names its how="

"""A contract in the standard's own words, dictionary resolved: what datacontract-cli compares.

Code lists are written as ``enum``, a word of ODCS 3.2 that the library already reads; files stay ODCS 3.1.
"""

from open_data_contract_standard.model import EnumValue, OpenDataContractStandard, SchemaObject, SchemaProperty

from commonweal.contract.model import Contract, Field

_OPTIONS = {
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "minimum": "minimum",
    "maximum": "maximum",
}


def standard_document(contract: Contract) -> OpenDataContractStandard:
    """The contract's interface: names, types, bounds, codes, key, and nothing about quality, promises or sharing."""
    key = {name: place for place, name in enumerate(contract.key, start=1)}
    fields = [_property(field, key.get(field.name)) for field in contract.fields]
    interface = SchemaObject(name=contract.name, logicalType="object", properties=fields)
    return OpenDataContractStandard(
        apiVersion="v3.2.0",
        kind="DataContract",
        id=contract.id,
        version=contract.version,
        status=contract.status,
        schema=[interface],
    )


def _property(field: Field, position: int | None) -> SchemaProperty:
    options = {name: getattr(field, attribute) for attribute, name in _OPTIONS.items() if getattr(field, attribute) is not None}
    return SchemaProperty(
        name=field.name,
        logicalType="number" if field.type == "decimal" else field.type,
        physicalType=f"decimal({field.precision},{field.scale})" if field.type == "decimal" else None,
        logicalTypeOptions=options or None,
        required=field.required,
        primaryKey=position is not None,
        primaryKeyPosition=position,
        enum=[EnumValue(value=code.value) for code in field.codes] or None,
    )

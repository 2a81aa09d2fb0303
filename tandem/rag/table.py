"""Items of a DynamoDB table as Python values, without boto3."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import botocore.exceptions

Item = dict[str, Any]
"""Attribute names to str, int, float or a list of str."""


def is_refused(error: botocore.exceptions.ClientError) -> bool:
    """Whether a conditional write was refused because its condition doesn't hold."""
    reasons = [error.response["Error"], *error.response.get("CancellationReasons", [])]  # the latter of a transaction
    return any(str(reason.get("Code")).startswith("ConditionalCheckFailed") for reason in reasons)


def is_cancelled(error: botocore.exceptions.ClientError) -> bool:
    """Whether a transaction was refused, for whatever one of its writes met; nothing was written."""
    return error.response["Error"]["Code"] == "TransactionCanceledException"


class Update(NamedTuple):
    """A change of one item. In expressions attributes are `#name`, values are `:name`."""

    pk: str
    sk: str
    values: Item
    assign: Mapping[str, str]
    """Attribute to expression."""
    remove: Sequence[str] = ()
    condition: str = ""

    def request(self, table: str) -> dict[str, Any]:
        """As DynamoDB takes it."""
        clauses = {"SET": [f"#{name} = {value}" for name, value in self.assign.items()]}
        clauses["REMOVE"] = [f"#{name}" for name in self.remove]
        expression = " ".join(f"{verb} {', '.join(entries)}" for verb, entries in clauses.items() if entries)
        request = {"TableName": table, "Key": _key(self.pk, self.sk), "UpdateExpression": expression}
        if self.condition:
            request["ConditionExpression"] = self.condition
        return request | _placeholders(f"{expression} {self.condition}", self.values)


class Table:
    """A table with the keys `pk` and `sk`. Reads are strongly consistent unless one is told otherwise."""

    def __init__(self, client: Any, name: str):
        self._client, self._name = client, name

    def get(self, pk: str, sk: str) -> Item | None:
        """The item, or None."""
        answer = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return _decode(answer["Item"]) if "Item" in answer else None

    def put_if(self, pk: str, sk: str, values: Item, condition: str) -> bool:
        """Write an item if the one that is there fulfils a condition; return whether it was written."""
        try:
            self._client.put_item(
                TableName=self._name,
                Item=_key(pk, sk) | _encode(values),
                ConditionExpression=condition,
                **_placeholders(condition, values),
            )
        except botocore.exceptions.ClientError as error:
            if is_refused(error):
                return False
            raise
        return True

    def put_while(self, pk: str, sk: str, values: Item, *, of: tuple[str, str], holds: str, using: Item) -> None:
        """Write an item if the condition `holds` for another one, `of`; `is_refused` tells an error of that."""
        put = {"TableName": self._name, "Item": _key(pk, sk) | _encode(values)}
        check = {"TableName": self._name, "Key": _key(*of), "ConditionExpression": holds, **_placeholders(holds, using)}
        self._client.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"Put": put}])

    def update(self, update: Update) -> Item:
        """Update an item and return it whole."""
        answer = self._client.update_item(ReturnValues="ALL_NEW", **update.request(self._name))
        return _decode(answer["Attributes"])

    def update_all(self, updates: Sequence[Update]) -> None:
        """Update up to 100 items, or none of them; `is_cancelled` tells an error of that."""
        self._client.transact_write_items(TransactItems=[{"Update": each.request(self._name)} for each in updates])

    def delete(self, pk: str, sk: str, *, condition: str = "", values: Item | None = None) -> None:
        """Delete an item, if there is one."""
        request: dict[str, Any] = {}
        if condition:
            request = {"ConditionExpression": condition, **_placeholders(condition, values or {})}
        self._client.delete_item(TableName=self._name, Key=_key(pk, sk), **request)

    def query(self, pk: str, consistent: bool = True) -> Iterator[Item]:
        """All items of a partition, in the order of `sk` (as UTF-8), a page at a time."""
        request = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ConsistentRead": consistent,
        }
        while True:
            answer = self._client.query(**request)
            yield from map(_decode, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def batch_get(self, pk: str, sks: Sequence[str], attributes: Sequence[str]) -> Iterator[Item]:
        """Some attributes of up to 100 items of a partition, in no order; those that aren't there are left out."""
        names = {f"#{name}": name for name in ("sk", *attributes)}
        request: dict[str, Any] = {
            self._name: {
                "Keys": [_key(pk, sk) for sk in sks],
                "ProjectionExpression": ", ".join(names),
                "ExpressionAttributeNames": names,
                "ConsistentRead": True,
            }
        }
        while request:
            answer = self._client.batch_get_item(RequestItems=request)
            yield from map(_decode, answer["Responses"].get(self._name, []))
            # DynamoDB returns at least one item a call, or throttles, which the client retries.
            request = answer.get("UnprocessedKeys", {})


def _placeholders(expression: str, values: Item) -> dict[str, Any]:
    """The names and values that an expression mentions."""
    names = {f"#{name}": name for name in re.findall(r"#(\w+)", expression)}
    mentioned = {name: values[name] for name in re.findall(r":(\w+)", expression)}
    return {
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {f":{name}": value for name, value in _encode(mentioned).items()},
    }


def _key(pk: str, sk: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _encode(values: Item) -> dict[str, Any]:
    return {name: _encode_value(value) for name, value in values.items() if value is not None}


def _encode_value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    return {"L": [{"S": element} for element in value]}


def _decode(attributes: Mapping[str, Any]) -> Item:
    return {name: _decode_value(value) for name, value in attributes.items()}


def _decode_value(value: Mapping[str, Any]) -> Any:
    if "S" in value:
        return value["S"]
    if "N" in value:
        return float(value["N"]) if "." in value["N"] or "e" in value["N"].lower() else int(value["N"])
    return [element["S"] for element in value["L"]]

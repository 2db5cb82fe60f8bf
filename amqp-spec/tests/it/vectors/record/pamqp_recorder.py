"""Encodes the cases with pamqp (https://pypi.org/project/pamqp/) and adds the octets.

    pip install pamqp==4.0.1
    python3 pamqp_recorder.py < cases.json > ../pamqp.json
"""

import datetime
import decimal
import json
import sys

from pamqp import body, commands, frame, header, heartbeat


def value(vector):
    if isinstance(vector, str):
        return vector
    (tag, inner), = vector.items()
    if tag in "tbBsuIilfV":
        return inner
    if tag == "D":
        scale, digits = inner
        return decimal.Decimal(digits).scaleb(-scale)
    if tag == "A":
        return [value(item) for item in inner]
    if tag == "F":
        return table(inner)
    if tag == "T":
        return timestamp(inner)
    if tag == "x":
        return bytearray.fromhex(inner["hex"])
    raise ValueError(tag)


def table(pairs):
    return {name: value(vector) for name, vector in pairs}


def timestamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def argument(kind, vector):
    return {"table": table, "timestamp": timestamp}.get(kind, lambda plain: plain)(vector)


def method(name):
    """basic.get-ok -> commands.Basic.GetOk"""
    of_class, of_method = name.split(".")
    camel = "".join(word.capitalize() for word in of_method.split("-"))
    return getattr(getattr(commands, of_class.capitalize()), camel)


def octets(case):
    if case["name"] == "heartbeat":
        return frame.marshal(heartbeat.Heartbeat(), 0)
    if case["name"] == "body":
        return frame.marshal(body.ContentBody(bytes.fromhex(case["body"])), case["channel"])
    if case["name"] == "basic.properties":
        properties = commands.Basic.Properties()
        for name, kind, vector in case["fields"]:
            name = {"type": "message_type"}.get(name, name.replace("-", "_"))
            assert hasattr(properties, name), name
            setattr(properties, name, argument(kind, vector))
        content = header.ContentHeader(0, case["body-size"], properties)
        return frame.marshal(content, case["channel"])
    arguments = [argument(kind, vector) for _, kind, vector in case["fields"]]
    return frame.marshal(method(case["name"])(*arguments), case["channel"])


lines = []
for case in json.load(sys.stdin):
    if "pamqp" not in case.pop("by"):
        continue
    case["hex"] = octets(case).hex()
    lines.append(json.dumps(case, ensure_ascii=False))
print("[\n" + ",\n".join(lines) + "\n]")

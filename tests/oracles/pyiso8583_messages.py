"""Encodes and decodes messages with pyiso8583, which shares no code with Paytone.

Reads {"dialect", "cases": [{"type", "fields": {number: text}, "hex"}]} from the file named first and writes
[{"encoded": hex of the fields, "decoded": fields of the hex}] to standard output. Without "hex" it only encodes. Of the
messages under "refused" it writes only the field at which each is refused. Binary fields are hexadecimal text.
What a dialect is follows from its name here, not from Paytone's tables.
"""

import copy
import json
import sys

import iso8583
from iso8583.specs import default, default_ascii

NUMERIC_1987 = {*range(2, 28), 32, 33, 49, 50, 51, 53, *range(66, 91), 99, 100}
NUMERIC_1993 = {
    *range(2, 22), *range(23, 31), 32, 33, 39, 40, 49, 50, 51, 56, 57, 58, *range(67, 72), *range(73, 95), 100,
    *range(105, 109),
}
# What ISO 8583:1993 has otherwise: (length type, longest).
CHANGED_1993 = {
    12: (0, 12), 13: (0, 4), 15: (0, 6), 18: (0, 4), 22: (0, 12), 25: (0, 4), 26: (0, 4), 28: (0, 6), 29: (0, 3),
    30: (0, 24), 31: (2, 99), 39: (0, 3), 43: (2, 99), 44: (2, 99), 46: (3, 204), 54: (3, 120), 56: (2, 35),
    57: (0, 3), 58: (2, 11), 66: (3, 204), 69: (0, 3), 70: (0, 3), 71: (0, 8), 72: (3, 999),
    82: (0, 10), 83: (0, 10), 84: (0, 10), 85: (0, 10), 90: (0, 10), 91: (0, 3), 92: (0, 3), 93: (2, 11), 94: (2, 11),
    95: (2, 99), 105: (0, 16), 106: (0, 16), 107: (0, 10), 108: (0, 10), 109: (2, 84), 110: (2, 84),
}


def specification(dialect):
    year, manner = dialect.split("-")
    spec = copy.deepcopy(default)
    numeric = NUMERIC_1987
    if year == "1993":
        numeric = NUMERIC_1993
        for number, (kind, longest) in CHANGED_1993.items():
            spec[str(number)].update(len_type=kind, max_len=longest)
        spec["53"].update(data_enc="b", len_type=2, max_len=48)
        spec["96"].update(data_enc="b", len_type=3, max_len=999)
    spec["54"]["max_len"] = 120
    if manner == "hex":
        for key, field in spec.items():
            if field["data_enc"] == "b" and key not in ("p", "1"):
                # As characters, so twice as long.
                field.update(data_enc="ascii", max_len=field["max_len"] * 2)
        spec["p"] = default_ascii["p"]
        spec["1"] = default_ascii["1"]
    elif manner == "ebcdic":
        page = "cp500" if year == "1987" else "cp037"
        for field in spec.values():
            field["len_enc"] = page
            if field["data_enc"] == "ascii":
                field["data_enc"] = page
    elif manner in ("bcd", "binary"):
        spec["t"]["data_enc"] = "b"
        for key, field in spec.items():
            if key in ("h", "t", "p", "1"):
                continue
            field["len_enc"] = "b" if manner == "binary" else "bcd"
            # Two digits to a byte: LL in one, LLL in two.
            field["len_type"] = {0: 0, 2: 1, 3: 2}[field["len_type"]]
            if int(key) in numeric:
                field.update(data_enc="b", len_count="nibbles", left_pad="0")
            if key == "35" or key == "2" and manner == "bcd":
                field.pop("left_pad", None)
                field.update(data_enc="b", len_count="nibbles", right_pad="F")
        if manner == "binary":
            spec["55"]["len_type"] = 1
            spec["48"]["data_enc"] = "b"
    elif manner in ("ascii", "third"):
        # Characters above ASCII are one byte each.
        for key, field in spec.items():
            if field["data_enc"] == "ascii" and key not in ("h", "t"):
                field["data_enc"] = "latin-1"
        if manner == "third":
            # Fields above 128, announced by a third bitmap.
            plain = {"len_enc": "ascii", "data_enc": "ascii"}
            spec["129"] = {**plain, "len_type": 2, "max_len": 99, "desc": ""}
            spec["150"] = {**plain, "data_enc": "b", "len_type": 0, "max_len": 3, "desc": ""}
            spec["192"] = {**plain, "len_type": 0, "max_len": 4, "desc": ""}
    else:
        raise ValueError(dialect)
    return spec


def main():
    asked = json.load(open(sys.argv[1], encoding="utf-8"))
    spec = specification(asked["dialect"])
    packed = spec["35"]["data_enc"] == "b"
    answers = []
    for case in asked["cases"]:
        fields = {"t": case["type"], **case["fields"]}
        if packed and "35" in fields:
            fields["35"] = fields["35"].replace("=", "D")
        encoded, _ = iso8583.encode(fields, spec)
        if "hex" not in case:
            answers.append({"encoded": encoded.hex()})
            continue
        decoded, _ = iso8583.decode(bytes.fromhex(case["hex"]), spec)
        kind = decoded.pop("t")
        for bitmap in ("p", "1", "h"):
            decoded.pop(bitmap, None)
        if packed and "35" in decoded:
            decoded["35"] = decoded["35"].replace("D", "=")
        answers.append({"encoded": encoded.hex(), "type": kind, "decoded": decoded})
    for message in asked.get("refused", []):
        try:
            iso8583.decode(bytes.fromhex(message), spec)
            answers.append(None)
        except iso8583.DecodeError as error:
            answers.append(error.field)
    json.dump(answers, sys.stdout)


main()

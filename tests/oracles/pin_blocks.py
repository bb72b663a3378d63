"""Makes and opens PIN blocks with psec, which shares no code with Paytone.

Reads {"cases": [{"format", "key", "pin", "number", "block"}]} from the file named first, writes [{"block", "pin"}] to standard output:
the block it makes itself, and the PIN it finds in ours.
"""

import json
import sys

from psec import des, pinblock


def format_0(case):
    key = bytes.fromhex(case["key"])
    made = des.encrypt_tdes_ecb(key, pinblock.encode_pinblock_iso_0(case["pin"], case["number"]))
    opened = des.decrypt_tdes_ecb(key, bytes.fromhex(case["block"]))
    return made, pinblock.decode_pinblock_iso_0(opened, case["number"])


def format_4(case):
    key = bytes.fromhex(case["key"])
    made = pinblock.encipher_pinblock_iso_4(key, case["pin"], case["number"])
    return made, pinblock.decipher_pinblock_iso_4(key, bytes.fromhex(case["block"]), case["number"])


asked = json.load(open(sys.argv[1], encoding="utf-8"))
answers = []
for case in asked["cases"]:
    block, pin = (format_0 if case["format"] == 0 else format_4)(case)
    answers.append({"block": block.hex().upper(), "pin": pin})
json.dump(answers, sys.stdout)

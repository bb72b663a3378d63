"""A terminal with a phone held to it, made of pyiso8583 and pyemv, which share no code with Paytone.

Reads {"host", "port", "acceptor", "terminal", "phone"} from the file named first, plays a day at the till over TCP and writes what it
heard to standard output: message types and response codes by what was tried.
"""

import copy
import datetime
import json
import socket
import struct
import sys

import iso8583
from iso8583.specs import default
from pyemv import ac, kd, tlv

# Characters and raw bytes, as the link's plainest dialect has it.
SPEC = copy.deepcopy(default)
TEN = ["9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36"]


class Phone:
    def __init__(self, file):
        self.number = file["number"]
        self.sequence = f"{file['sequence']:02}"
        self.key = bytes.fromhex(file["key"])
        self.index = file["key_index"]
        self.counter = 0

    def tap(self, minor, verified=False, claimed=False):
        """Field 55 of one tap: Visa's cryptogram version 18. A verified phone says so in the results it signs, a claim is the terminal's."""
        self.counter += 1
        data = {
            "9F02": f"{minor:012}",
            "9F03": "000000000000",
            "9F1A": "0156",
            "95": "0000000000",
            "5F2A": "0156",
            "9A": datetime.date.today().strftime("%y%m%d"),
            "9C": "00",
            "9F37": "1A2B3C4D",
            "82": "1980",
            "9F36": f"{self.counter:04X}",
            "9F10": f"06{self.index:02X}1203{'A4' if verified else 'A0'}0000",
        }
        session = kd.derive_common_sk(self.key, bytes.fromhex(data["9F36"]) + bytes(6))
        signed = b"".join(bytes.fromhex(data[tag]) for tag in TEN) + bytes.fromhex(data["9F10"])
        cryptogram = ac.generate_ac(session, signed, ac.PaddingType.EMV)
        data["9F26"], data["9F27"], data["9F34"] = cryptogram.hex(), "80", "010002" if claimed else "1F0002"
        if claimed:
            data["9F6C"] = "0080"
        chip = tlv.encode({tag: bytes.fromhex(value) for tag, value in data.items()})
        # pyiso8583 takes bytes in hexadecimal.
        return chip.hex().upper(), session, cryptogram


class Terminal:
    def __init__(self, asked):
        self.socket = socket.create_connection((asked["host"], asked["port"]), timeout=20)
        self.acceptor, self.terminal = asked["acceptor"], asked["terminal"]
        self.trace = 100

    def message(self, kind, **fields):
        self.trace += 1
        now = datetime.datetime.now(datetime.timezone.utc)
        message = {"t": kind, "7": now.strftime("%m%d%H%M%S"), "11": f"{self.trace:06}"}
        if kind != "0800":
            message.update({"12": now.strftime("%H%M%S"), "13": now.strftime("%m%d")})
            message.update({"41": self.terminal.ljust(8), "42": self.acceptor.ljust(15)})
        message.update({name.lstrip("f"): value for name, value in fields.items()})
        return message

    def purchase(self, phone, minor, **said):
        chip, session, cryptogram = phone.tap(minor, **said)
        message = self.message(
            "0200", f2=phone.number, f3="000000", f4=f"{minor:012}", f22="071", f23="0" + phone.sequence, f49="156", f55=chip
        )
        return message, session, cryptogram

    def reversal(self, original):
        elements = original["t"] + original["11"] + original["7"] + "0" * 22
        copied = {f"f{field}": original[field] for field in ("2", "3", "4", "22", "49")}
        return self.message("0420", f90=elements, **copied)

    def ask(self, message):
        encoded, _ = iso8583.encode(dict(message), SPEC)
        self.socket.sendall(struct.pack(">H", len(encoded)) + encoded)
        while True:
            (length,) = struct.unpack(">H", self.read(2))
            answer, _ = iso8583.decode(self.read(length), SPEC)
            if answer.get("11") == message["11"]:
                return answer

    def read(self, count):
        parts = b""
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise SystemExit("the host ended the connection")
            parts += part
        return parts


def said(answer):
    return [answer["t"], answer["39"]]


def main():
    asked = json.load(open(sys.argv[1], encoding="utf-8"))
    terminal, phone = Terminal(asked), Phone(asked["phone"])
    heard = {"sign_on": said(terminal.ask(terminal.message("0800", f70="001")))}

    message, session, cryptogram = terminal.purchase(phone, 1_000)
    answer = terminal.ask(message)
    heard["purchase"] = said(answer)
    authentication = tlv.decode(bytes.fromhex(answer["55"]))["91"]
    authentication = bytes.fromhex(authentication) if isinstance(authentication, str) else bytes(authentication)
    right = ac.generate_arpc_2(session, cryptogram, authentication[4:])
    heard["issuer_answered"] = right == authentication[:4]

    repeated = terminal.ask({**message, "t": "0201"})
    heard["repeat"] = said(repeated)
    heard["same_approval"] = repeated["38"] == answer["38"]
    heard["replay"] = said(terminal.ask({**message, "11": "000001"}))

    wrong, _, _ = terminal.purchase(phone, 500)
    at = wrong["55"].index("9F2608") + 6
    wrong["55"] = wrong["55"][:at] + f"{int(wrong['55'][at], 16) ^ 1:X}" + wrong["55"][at + 1 :]
    heard["wrong_cryptogram"] = said(terminal.ask(wrong))
    stripe, _, _ = terminal.purchase(phone, 500)
    del stripe["55"]
    heard["fallback"] = said(terminal.ask({**stripe, "22": "801"}))

    heard["reversal"] = said(terminal.ask(terminal.reversal(message)))
    heard["reversed_again"] = said(terminal.ask(terminal.reversal(message)))
    kept, _, _ = terminal.purchase(phone, 2_345)
    heard["kept"] = said(terminal.ask(kept))
    claimed, _, _ = terminal.purchase(phone, 60_000, claimed=True)
    heard["claimed_by_the_terminal"] = said(terminal.ask(claimed))
    verified, _, _ = terminal.purchase(phone, 60_000, verified=True)
    heard["verified_by_the_phone"] = said(terminal.ask(verified))
    heard["echo"] = said(terminal.ask(terminal.message("0800", f70="301")))
    json.dump(heard, sys.stdout)


main()

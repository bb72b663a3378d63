#!/usr/bin/env python3
"""Checks what `paytone proof pay_… ` printed: python3 check_proof.py proof.json [witness-file]

Needs nothing of Paytone: SHA-256 from the standard library, and openssl for the Ed25519 signature.
"""
import hashlib, json, pathlib, subprocess, sys, tempfile


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(leaf, index, size, path):  # RFC 9162, section 2.1.3.2
    at, last, value = index, size - 1, leaf
    assert 0 <= index < size, "the entry is not in the tree"
    for beside in path:
        assert last > 0, "the path is too long"
        if at & 1 or at == last:
            value = sha(b"\x01", beside, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = sha(b"\x01", value, beside)
        at, last = at >> 1, last >> 1
    assert last == 0, "the path is too short"
    return value


def signature_holds(day):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        der = bytes.fromhex("302a300506032b6570032100") + bytes.fromhex(day["key"])
        (folder / "key").write_bytes(der)
        (folder / "statement").write_bytes(day["statement"].encode())
        (folder / "signature").write_bytes(bytes.fromhex(day["signature"]))
        openssl = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey", folder / "key"]
        asked = openssl + ["-in", folder / "statement", "-sigfile", folder / "signature"]
        return subprocess.run(asked, capture_output=True).returncode == 0


def check(proof, witnessed):
    leaf = sha(b"\x00", bytes.fromhex(proof["salt"]), proof["entry"].encode())
    path = [bytes.fromhex(step) for step in proof["path"]]
    root = root_of(leaf, proof["index"], proof["entries"], path).hex()
    day = proof["day"]
    said = dict(line.split(" ", 1) for line in day["statement"].splitlines())
    assert root == said["root"] == proof["root"], "the entry does not lead to the signed root"
    assert int(said["entries"]) == proof["entries"], "the signed day has another number of entries"
    assert json.loads(proof["entry"])["date"] == said["date"], "the entry is of another date"
    assert sha(day["statement"].encode()).hex() == day["head"], "the head is not that of the statement"
    assert signature_holds(day), "the signature does not fit"
    assert witnessed is None or day in witnessed, "the witness knows this day otherwise, or not at all"


proofs = json.loads(pathlib.Path(sys.argv[1]).read_text())["proofs"]
witnessed = None
if len(sys.argv) > 2:
    witnessed = [json.loads(line) for line in pathlib.Path(sys.argv[2]).read_text().splitlines()]
assert proofs, "there is nothing to check"
for proof in proofs:
    check(proof, witnessed)
    print("holds:", proof["entry"])

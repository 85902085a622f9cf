# SPDX-License-Identifier: Apache-2.0
"""A client with bad intentions against a live cc-kbs: whatever it sends, it gets the status that is documented for it,
nobody's secret, and everybody else is served on. Run by kbs_hostile.test; TAP on standard output.

usage: kbs_hostile.py PORT WORKDIR EVIDENCE-PROGRAM MEASUREMENT

WORKDIR holds what the script made: server.crt, token.key (of the broker: its public half is what a guest sees), admin.key,
admin.pub, admin.token, sim.key, initdata.toml. The resource default/key/img is there and a rule allows it to the guest that
the evidence program speaks for; its text is MARKER.
"""
import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

PORT, WORK, EVIDENCE, MEASUREMENT = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
MARKER = "PLAINTEXT-OF-THE-SECRET"
RESOURCE = "/kbs/v0/resource/default/key/img"
count = failures = 0
leaked = []  # answers with the marker in them


def tap(good, name, detail=""):
    global count, failures
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name.encode('unicode_escape').decode()}")
    if not good:
        failures += 1
        print("# " + str(detail)[:2000].encode("unicode_escape").decode())
    sys.stdout.flush()


# ---- bytes on the wire ----------------------------------------------------------------------------------------------

def context():
    c = ssl.create_default_context(cafile=f"{WORK}/server.crt")
    c.minimum_version = ssl.TLSVersion.TLSv1_3
    return c


CONTEXT = context()


def plain():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=30)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def dial():
    return CONTEXT.wrap_socket(plain(), server_hostname="127.0.0.1")


def hear(s):
    """Everything until the server closes."""
    out = b""
    try:
        while chunk := s.recv(65536):
            out += chunk
    except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
        pass
    s.close()
    if MARKER.encode() in out:
        leaked.append(out)
    return out


def raw(data):
    """Send these bytes on a new connection; all that comes back. The server may close while we send."""
    s = dial()
    try:
        s.sendall(data)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
        pass
    return hear(s)


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
        try:
            doc = json.loads(self.body)
        except ValueError:
            doc = None
        self.doc = doc if isinstance(doc, dict) else {}
        self.type = str(self.doc.get("type", "")).rpartition("/")[2]

    def __str__(self):
        return f"{self.status} {self.type} {self.body[:300]!r}"


def statuses(data):
    """Of all answers in what came back."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def ask(method, path, body=b"", cookie=None, bearer=None, extra=b""):
    if isinstance(path, str):
        path = path.encode()
    if isinstance(body, str):
        body = body.encode()
    head = method.encode() + b" " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + extra
    head += b"Content-Length: %d\r\n" % len(body)
    if cookie is not None:
        head += b"Cookie: kbs-session-id=" + (cookie if isinstance(cookie, bytes) else cookie.encode()) + b"\r\n"
    if bearer is not None:
        head += b"Authorization: Bearer " + bearer.encode() + b"\r\n"
    return Answer(raw(head + b"\r\n" + body))


def refused(name, answer, status=401, kind=None):
    """The one thing that every refusal is held to."""
    good = answer.status == status and (kind is None or answer.type in kind.split("|"))
    if status == 401:
        good = good and bool(answer.doc.get("detail"))
    tap(good, name, f"wanted {status} {kind or ''}, got {answer}")


# ---- an honest guest ------------------------------------------------------------------------------------------------

def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


def new_key(path, curve="P-256"):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", path)
    os.chmod(path, 0o600)
    return path


AUTH = {"version": "0.4.0", "tee": "casemate-sim", "extra-params": ""}


def auth():
    a = ask("POST", "/kbs/v0/auth", json.dumps(AUTH))
    assert a.status == 200, a
    return a.headers["set-cookie"].split(";")[0].split("=")[1], a.doc["nonce"]


def evidence(nonce, key):
    args = [EVIDENCE, f"{WORK}/sim.key", f"{WORK}/initdata.toml", MEASUREMENT, key, nonce]
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def attest(cookie, body):
    return ask("POST", "/kbs/v0/attest", body, cookie=cookie)


def guest():
    """One that has proved itself: cookie, token."""
    cookie, nonce = auth()
    a = attest(cookie, evidence(nonce, GUEST_KEY))
    assert a.status == 200, a
    return cookie, a.doc["token"]


GUEST_KEY = new_key(f"{WORK}/guest.key")


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# ---- slow clients: begun first, looked at last -------------------------------------------------------------------------

class Slow(threading.Thread):
    def __init__(self, first, drip):
        super().__init__(daemon=True)
        self.first, self.drip, self.got, self.began = first, drip, b"", time.monotonic()
        self.start()

    def run(self):
        try:
            s = dial()
            s.sendall(self.first)
            s.settimeout(0.4)
            while True:
                try:
                    chunk = s.recv(65536)
                    self.got += chunk
                    if not chunk:
                        return
                except TimeoutError:
                    s.sendall(self.drip)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            pass


SLOW = [Slow(b"GET /healthz HTTP/1.1\r\nA: ", b"x") for _ in range(20)]

# ---- HTTP ------------------------------------------------------------------------------------------------------------

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
for name, data, want in [
        ("a head of 140 KiB", GET + b"A: " + b"x" * 143360 + b"\r\n\r\n", [431]),
        ("120 headers", GET + b"A: b\r\n" * 120 + b"\r\n", [431]),
        ("a target of 70 KiB", b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
        ("a body over the ceiling", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 2097153\r\n\r\n" + b"x" * 65536, [413]),
        ("a body of 10^18 bytes", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", [413]),
        ("a length beyond 64 bits", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", [400]),
        ("a negative length", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: -1\r\n\r\n", [400]),
        ("a length with a sign", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", [400]),
        ("a hexadecimal length", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello", [400]),
        ("two lengths", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!" + GET + b"\r\n", [400]),
        ("a length beside chunks", b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            + GET + b"\r\n", [501]),
        ("chunks in disguise", b"POST /kbs/v0/auth HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", [400]),
        ("a bare line feed", b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n", [400]),
        ("a folded header", GET + b"A: b\r\n c\r\n\r\n", [400]),
        ("a NUL in a header", GET + b"A: b\0c\r\n\r\n", [400]),
        ("UTF-8 in the target", "GET /healthz\u00e9 HTTP/1.1\r\n\r\n".encode(), [400]),
        ("HEAD", b"HEAD /healthz HTTP/1.1\r\n\r\n", [405]),
        ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n\r\n", [400]),
        ("CONNECT", b"CONNECT a:1 HTTP/1.1\r\n\r\n", [400]),
        ("TRACE", b"TRACE / HTTP/1.1\r\n\r\n", [405]),
        ("a method in small letters", b"get /healthz HTTP/1.1\r\n\r\n", [405]),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        ("HTTP/3.0", b"GET / HTTP/3.0\r\n\r\n", [505]),
        ("HTTP/0.9", b"GET /healthz\r\n\r\n", [400]),
        ("an upgrade", GET + b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n", [200]),
        ("nothing but line breaks", b"\r\n\r\n\r\n\r\n", [400]),
        ("fifty requests at once", (GET + b"\r\n") * 49 + GET + b"Connection: close\r\n\r\n", [200] * 50),
        ("what follows a refused request is no request", b"GET / HTTP/1.1\nX\r\n\r\n" + GET + b"\r\n", [400]),
]:
    got = statuses(raw(data))
    tap(got == want, f"http: {name}: {want[0]}", f"got {got[:5]}")

# ---- TLS -------------------------------------------------------------------------------------------------------------

HELLO = ssl.MemoryBIO()
try:
    CONTEXT.wrap_bio(ssl.MemoryBIO(), HELLO, server_hostname="127.0.0.1").do_handshake()
except ssl.SSLWantReadError:
    pass
HELLO = HELLO.read()


def tls_raw(data, shut=True):
    s = plain()
    s.sendall(data)
    if shut:
        s.shutdown(socket.SHUT_WR)
    return hear(s)


for cut in (1, 5, 6, 40, len(HELLO) - 1):
    tls_raw(HELLO[:cut])
for at in range(0, len(HELLO), 7):
    tls_raw(HELLO[:at] + bytes([HELLO[at] ^ 0xff]) + HELLO[at + 1:])
tls_raw(HELLO + b"\x17\x03\x03\xff\xff" + b"A" * 500)
tls_raw(HELLO + HELLO)
tls_raw(b"\x80\x2e\x01\x00\x02")
tls_raw(os.urandom(20000))
got = tls_raw(b"GET /healthz HTTP/1.1\r\n\r\n")
tap(b"200" not in got, "tls: plain http is not answered at the TLS port", got)
old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
old.maximum_version = ssl.TLSVersion.TLSv1_2
try:
    old.wrap_socket(plain())
    tap(False, "tls: 1.2 is refused")
except (ssl.SSLError, ConnectionResetError):
    tap(True, "tls: 1.2 is refused")
for length in (1, 100):  # gone in the middle of a request, without a goodbye
    s = dial()
    s.sendall(b"POST /kbs/v0/attest HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * length)
    socket.socket(fileno=s.detach()).close()
tap(ask("GET", "/healthz").status == 200, "tls: after all of that others are served")

# ---- the honest way works: what is refused below is refused for its fault -------------------------------------------------

COOKIE, TOKEN = guest()
a = ask("GET", RESOURCE, cookie=COOKIE)
tap(a.status == 200 and "ciphertext" in a.doc, "control: the honest guest gets the resource by its session", a)
a = ask("GET", RESOURCE, bearer=TOKEN)
tap(a.status == 200 and "ciphertext" in a.doc, "control: and by its token", a)

# ---- nonces and sessions ----------------------------------------------------------------------------------------------

ATT = "AttestationError"
cookie, nonce = auth()
good = evidence(nonce, GUEST_KEY)
other_cookie, other_nonce = auth()
refused("replay: evidence for one nonce in another session", attest(other_cookie, good), 401, ATT)
refused("replay: and that session is over, for its own evidence too", attest(other_cookie, evidence(other_nonce, GUEST_KEY)), 401, ATT)
cookie2, nonce2 = auth()
swapped = [attest(cookie, evidence(nonce2, GUEST_KEY)), attest(cookie2, good)]
refused("swap: the first of two sessions with the other's evidence", swapped[0], 401, ATT)
refused("swap: and the second", swapped[1], 401, ATT)
cookie, nonce = auth()
body = evidence(nonce, GUEST_KEY)
first, second = attest(cookie, body), attest(cookie, body)
tap(first.status == second.status == 200 and first.doc["token"] == second.doc["token"],
    "replay: an attested session answers with the token it has", second)
attacker = new_key(f"{WORK}/attacker.key")
doc, theirs = json.loads(good), json.loads(evidence("x", attacker))
cookie, nonce = auth()
doc = json.loads(evidence(nonce, GUEST_KEY))
doc["runtime-data"]["tee-pubkey"] = theirs["runtime-data"]["tee-pubkey"]
refused("swap: another key beside genuine evidence", attest(cookie, json.dumps(doc)), 401, ATT)
refused("a guessed cookie", ask("GET", RESOURCE, cookie="0" * 32), 401, "TokenNotFound")
refused("a session that has not proved itself", ask("GET", RESOURCE, cookie=auth()[0]), 401, "TokenNotFound")
for name, c in [("empty", b""), ("of 3000 bytes", b"a" * 3000), ("with quotes", b'"' + COOKIE.encode() + b'x"'),
                ("in capitals", COOKIE.upper().encode() + b"A"), ("with a path", b"../../" + COOKIE[:26].encode()),
                ("of high bytes", b"\x7e" * 32), ("cut", COOKIE[:31].encode())]:
    refused(f"a cookie {name}", ask("GET", RESOURCE, cookie=c), 401, "TokenNotFound")
cookie, nonce = auth()
body = evidence(nonce, GUEST_KEY)
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(lambda _: attest(cookie, body), range(8)))
tap(all(x.status == 200 for x in answers) and len({x.doc["token"] for x in answers}) == 1,
    "eight attests at once in one session end with one token", [str(x) for x in answers])

# ---- JSON -------------------------------------------------------------------------------------------------------------

for name, text in [
        ("two versions", '{"version":"0.4.0","version":"0.4.0","tee":"casemate-sim","extra-params":""}'),
        ("a name twice by an escape", '{"version":"0.4.0","tee":"casemate-sim","t\\u0065e":"sample","extra-params":""}'),
        ("depth", '{"version":"0.4.0","tee":"casemate-sim","extra-params":' + "[" * 9000 + "]" * 9000 + "}"),
        ("depth without end", "[" * 9000), ("nothing", ""), ("null", "null"), ("a number", "1e999"),
        ("a byte order mark", "\ufeff" + json.dumps(AUTH)), ("bytes behind", json.dumps(AUTH) + "x"),
        ("not UTF-8", b'{"version":"0.4.0","tee":"\xff\xfe","extra-params":""}'),
        ("half a surrogate", '{"version":"0.4.0","tee":"\\ud800","extra-params":""}'),
        ("NUL in a name", '{"version":"0.4.0","tee":"casemate-sim\\u0000","extra-params":""}'),
        ("another type", '{"version":4,"tee":["casemate-sim"],"extra-params":""}'),
        ("unicode lookalikes", '{"version":"0.4.0","tee":"\u0441asemate-sim","extra-params":""}'),
        ("a long name", '{"version":"0.4.0","tee":"' + "a" * 9000 + '","extra-params":""}')]:
    refused(f"json in auth: {name}", ask("POST", "/kbs/v0/auth", text), 401, ATT)


def with_attest(change):
    cookie, nonce = auth()
    return attest(cookie, change(evidence(nonce, GUEST_KEY)))


for name, change in [
        ("two nonces", lambda t: t.replace('"nonce":', '"nonce":"x","nonce":', 1)),
        ("two keys", lambda t: t.replace('"tee-pubkey":', '"tee-pubkey":{"kty":"EC"},"tee-pubkey":', 1)),
        ("two x", lambda t: t.replace('"x":', '"x":"AAAA","x":', 1)),
        ("two initdata", lambda t: t.replace('"init-data":', '"init-data":null,"init-data":', 1)),
        ("two reports", lambda t: t.replace('"primary_evidence":', '"primary_evidence":{},"primary_evidence":', 1)),
        ("no initdata", lambda t: json.dumps({k: v for k, v in json.loads(t).items() if k != "init-data"})),
        ("other initdata", lambda t: t.replace("run = 1", "run = 2", 1)),
        ("a nonce with unicode", lambda t: t.replace('"nonce":"', '"nonce":"\u202e', 1)),
        ("evidence as text", lambda t: json.dumps({**json.loads(t), "tee-evidence": "x"})),
        ("depth", lambda t: t.replace('"additional_evidence":""', '"additional_evidence":' + json.dumps("[" * 50000), 1)),
        ("devices nobody knows", lambda t: t.replace('"additional_evidence":""', '"additional_evidence":"{\\"nvidia\\":{}}"', 1)),
        ("a megabyte", lambda t: json.dumps({**json.loads(t), "pad": "x" * 1000000}).replace('"nonce": "', '"nonce": "y', 1))]:
    refused(f"json in attest: {name}", with_attest(change), 401, ATT)

# ---- keys to encrypt to -------------------------------------------------------------------------------------------------

RSA_512 = b64u(b"\xc1" + b"\x55" * 63)


def key_is(**members):
    def change(text):
        doc = json.loads(text)
        key = doc["runtime-data"]["tee-pubkey"]
        key.update(members)
        for name in [k for k, v in members.items() if v is None]:
            del key[name]
        return json.dumps(doc)
    return change


for name, members in [
        *[(f"alg {alg}", {"alg": alg}) for alg in ("none", "dir", "A256KW", "ECDH-ES", "ECDH-ES+A128KW", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256",
                                                   "HS256", "ES256", "", "ecdh-es+a256kw", "ECDH-ES+A256KW\0")],
        ("no alg", {"alg": None}), ("a symmetric key", {"kty": "oct", "k": "AAAA"}), ("another curve", {"crv": "P-384"}),
        ("an unknown curve", {"crv": "secp256k1"}), ("the point zero", {"x": b64u(bytes(32)), "y": b64u(bytes(32))}),
        ("a point off the curve", {"x": b64u(b"\1" * 32)}), ("a coordinate too large", {"x": b64u(b"\xff" * 32)}),
        ("a coordinate of 33 bytes", {"x": b64u(bytes(33))}), ("a short coordinate", {"y": b64u(b"\1" * 31)}),
        ("padding", {"x": base64.b64encode(bytes(31)).decode()}), ("a private key", {"d": b64u(b"\1" * 32)}),
        ("RSA of 512 bits", {"kty": "RSA", "alg": "RSA-OAEP-256", "n": RSA_512, "e": "AQAB"}),
        ("RSA with exponent 1", {"kty": "RSA", "alg": "RSA-OAEP-256", "n": b64u(b"\xc1" + b"\x55" * 255), "e": "AQ"}),
        ("RSA of 64 Kbit", {"kty": "RSA", "alg": "RSA-OAEP-256", "n": b64u(b"\xc1" + b"\x55" * 8191), "e": "AQAB"})]:
    refused(f"key: {name}", with_attest(key_is(**members)), 401, ATT)

# ---- tokens -------------------------------------------------------------------------------------------------------------


def raw_signature(der):
    """r || s of an ECDSA signature on P-256."""
    def integer(at):
        n = der[at + 1]
        return der[at + 2:at + 2 + n].lstrip(b"\0").rjust(32, b"\0"), at + 2 + n
    r, at = integer(2)
    return r + integer(at)[0]


def es256(data, key):
    return raw_signature(openssl("dgst", "-sha256", "-sign", key, data=data))


def token(header, payload, sign):
    text = b64u(json.dumps(header).encode()) + "." + b64u(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return text + "." + b64u(sign(text.encode()))


HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
HEADER, PAYLOAD = json.loads(unb64u(HEADER)), json.loads(unb64u(PAYLOAD))
PUBLIC = openssl("pkey", "-in", f"{WORK}/token.key", "-pubout")
JWK = HEADER["jwk"]
THEIRS = {k: v for k, v in theirs["runtime-data"]["tee-pubkey"].items() if k != "alg"}


def mac(secret):
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def theirs_sign(data):
    return es256(data, attacker)


def kept(_data):
    return unb64u(SIGNATURE)


def with_header(**members):
    return {k: v for k, v in {**HEADER, **members}.items() if v is not None}


FORGED = [
    *[(f"alg {alg}", token(with_header(alg=alg), PAYLOAD, lambda _: b"")) for alg in ("none", "None", "NONE", "")],
    ("alg none with the old signature", token(with_header(alg="none"), PAYLOAD, kept)),
    ("HS256 under the public key's PEM", token(with_header(alg="HS256"), PAYLOAD, mac(PUBLIC))),
    ("HS256 under the public key's x", token(with_header(alg="HS256"), PAYLOAD, mac(unb64u(JWK["x"])))),
    ("HS256 under the empty key", token(with_header(alg="HS256"), PAYLOAD, mac(b""))),
    ("ES384 in the header", token(with_header(alg="ES384"), PAYLOAD, kept)),
    ("RS256 in the header", token(with_header(alg="RS256"), PAYLOAD, kept)),
    ("EdDSA in the header", token(with_header(alg="EdDSA"), PAYLOAD, kept)),
    ("es256 in small letters", token(with_header(alg="es256"), PAYLOAD, kept)),
    ("a key of its own in the header", token(with_header(jwk=THEIRS), PAYLOAD, theirs_sign)),
    ("no key in the header", token(with_header(jwk=None, kid=None), PAYLOAD, theirs_sign)),
    ("a kid that is a path", token(with_header(kid="../../../../dev/null"), PAYLOAD, mac(b""))),
    ("a jku", token(with_header(jku="http://127.0.0.1:1/k", jwk=None), PAYLOAD, theirs_sign)),
    ("an x5u", token(with_header(x5u="file:///etc/passwd", jwk=None), PAYLOAD, theirs_sign)),
    ("a critical extension", token(with_header(crit=["b64"], b64=False), PAYLOAD, theirs_sign)),
    ("alg twice", b64u(json.dumps(HEADER)[:-1].encode() + b',"alg":"none"}') + "." + TOKEN.split(".", 1)[1]),
    ("a signature of zeros", token(HEADER, PAYLOAD, lambda _: bytes(64))),
    ("a signature in DER", token(HEADER, PAYLOAD, lambda d: openssl("dgst", "-sha256", "-sign", attacker, data=d))),
    ("no signature", TOKEN.rpartition(".")[0] + "."), ("two parts", TOKEN.rpartition(".")[0]), ("four parts", TOKEN + ".e30"),
    ("a changed payload", token(HEADER, {**PAYLOAD, "exp": PAYLOAD["exp"] + 999999}, kept)),
    ("padding", TOKEN + "="), ("a last bit that does not count", TOKEN[:-1] + chr(ord(TOKEN[-1]) ^ 1)),
    ("60 KiB of rubbish", "e30." + "A" * 60000 + ".AAAA"), ("dots", "..."), ("the administrator's", open(f"{WORK}/admin.token").read().strip()),
]
for name, forged in FORGED:
    refused(f"token: {name}", ask("GET", RESOURCE, bearer=forged), 401, "TokenVerifierError")
for name, line in [("bearer in small letters", b"Authorization: bearer " + TOKEN.encode()), ("Basic", b"Authorization: Basic " + TOKEN.encode()),
                   ("no scheme", b"Authorization: " + TOKEN.encode())]:
    refused(f"token: {name}", ask("GET", RESOURCE, extra=line + b"\r\n"), 401, "TokenNotFound")
got = statuses(raw(b"GET " + RESOURCE.encode() + b" HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer x\r\nAuthorization: Bearer "
                   + TOKEN.encode() + b"\r\n\r\n"))
tap(got == [400], "token: two of them: 400", got)

# ---- administrators -------------------------------------------------------------------------------------------------------

ADMIN = open(f"{WORK}/admin.token").read().strip()
HEADER_A, PAYLOAD_A = (json.loads(unb64u(p)) for p in ADMIN.split(".")[:2])
ADMIN_PUB = open(f"{WORK}/admin.pub", "rb").read()


def eddsa(key):
    def sign(data):
        path = f"{WORK}/to-sign"
        with open(path, "wb") as f:
            f.write(data)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path)
    return sign


own = f"{WORK}/own.key"
openssl("genpkey", "-algorithm", "ED25519", "-out", own)
as_admin = eddsa(f"{WORK}/admin.key")
a = ask("GET", "/casemate/v0/resources", bearer=token(HEADER_A, PAYLOAD_A, as_admin))
tap(a.status == 200, "control: what is refused below is refused for its fault", a)
for name, forged in [
        ("none", token({"alg": "none"}, PAYLOAD_A, lambda _: b"")),
        ("HS256 under the public key", token({"alg": "HS256"}, PAYLOAD_A, mac(ADMIN_PUB))),
        ("another's signature", token(HEADER_A, PAYLOAD_A, eddsa(own))),
        ("ES256 by a stranger", token({"alg": "ES256"}, PAYLOAD_A, theirs_sign)),
        ("a guest's token", TOKEN),
        ("expired", token(HEADER_A, {**PAYLOAD_A, "exp": 1000}, as_admin)),
        ("no expiry", token(HEADER_A, {k: v for k, v in PAYLOAD_A.items() if k != "exp"}, as_admin)),
        ("expiry as text", token(HEADER_A, {**PAYLOAD_A, "exp": "9999999999"}, as_admin)),
        ("not yet", token(HEADER_A, {**PAYLOAD_A, "nbf": 9999999999}, as_admin)),
        ("another issuer", token(HEADER_A, {**PAYLOAD_A, "iss": "me"}, as_admin)),
        ("no role", token(HEADER_A, {k: v for k, v in PAYLOAD_A.items() if k != "role"}, as_admin)),
        ("role root", token(HEADER_A, {**PAYLOAD_A, "role": "root"}, as_admin)),
        ("a list of roles", token(HEADER_A, {**PAYLOAD_A, "role": ["admin"]}, as_admin)),
        ("role admin, NUL, x", token(HEADER_A, {**PAYLOAD_A, "role": "admin\0x"}, as_admin)),
        ("role twice", token(HEADER_A, json.dumps({**PAYLOAD_A, "role": "x"})[:-1].encode() + b',"role":"admin"}', as_admin))]:
    for method, path in [("POST", RESOURCE), ("GET", "/casemate/v0/policy"), ("POST", "/kbs/v0/resource-policy")]:
        refused(f"admin token: {name}: {method} {path}", ask(method, path, "{}", bearer=forged), 401,
                "AdminAuthAccess|AdminAuthInitialization")

# ---- paths ----------------------------------------------------------------------------------------------------------------

PLUGIN = "PluginInternalError"
for name, path, kind in [
        ("dots up", "../img", PLUGIN), ("dots in the middle", "default/../img", PLUGIN), ("a dot in front", "default/key/.img", PLUGIN),
        ("one part", "img", PLUGIN), ("two parts", "default/img", PLUGIN), ("four parts", "default/key/img/x", PLUGIN),
        ("an empty part", "default//img", PLUGIN), ("a slash behind", "default/key/img/", PLUGIN), ("an escaped slash", "default/key%2Fimg", PLUGIN),
        ("an escaped letter", "default/key/im%67", PLUGIN), ("an escaped NUL", "default/key/img%00", PLUGIN), ("a backslash", "default\\key\\img", PLUGIN),
        ("a tilde", "~root/key/img", PLUGIN), ("a semicolon", "default/key/img;x=1", PLUGIN), ("a star", "*/*/*", PLUGIN),
        ("a colon", "default/key/img:1", PLUGIN), ("a quote", "default/key/'or'1'='1", PLUGIN), ("capitals", "Default/key/img", "PolicyDeny"),
        ("300 letters", "default/key/" + "x" * 300, PLUGIN), ("what is not there", "default/key/none", "PolicyDeny"), ("nothing", "", PLUGIN)]:
    refused(f"path: {name}", ask("GET", "/kbs/v0/resource/" + path, cookie=COOKIE), 401, kind)
    if kind == PLUGIN:
        refused(f"path: {name}, by an administrator", ask("POST", "/kbs/v0/resource/" + path, "x", bearer=ADMIN), 401, kind)
for path in ["/kbs/v0/../v0/resource/default/key/img", "//kbs/v0/resource/default/key/img", "/KBS/v0/resource/default/key/img", "/kbs/v0", "/",
             "/etc/passwd", "/casemate/v0/../../etc/passwd", "/kbs/v0/%72esource/default/key/img"]:
    a = ask("GET", path, cookie=COOKIE)
    tap(a.status in (401, 404), f"path: {path} is nothing: {a.status}", a)

# ---- uploads ----------------------------------------------------------------------------------------------------------------


def policy(text):
    return json.dumps({"policy": b64u(text if isinstance(text, bytes) else text.encode())})


for name, path, body in [
        ("a policy of everything", "/kbs/v0/resource-policy", policy('{"version":1,"rules":[{"name":"a","resources":["*/*/*"],"tee":["sim"]}]}')),
        ("a policy with a name twice", "/kbs/v0/resource-policy", policy('{"version":1,"version":1,"rules":[]}')),
        ("a policy of depth", "/kbs/v0/resource-policy", policy("[" * 9000)),
        ("a policy in standard base64", "/kbs/v0/resource-policy", json.dumps({"policy": "+/=="})),
        ("a policy that is binary", "/kbs/v0/resource-policy", policy(bytes(range(256)))),
        ("a reference value with a path", "/kbs/v0/reference-value",
         json.dumps({"version": "0.1.0", "type": "sample", "payload": base64.b64encode(b'{"../../x":["00"]}').decode()}) + " "),
        ("a reference value of rubbish", "/kbs/v0/reference-value", json.dumps({"version": "0.1.0", "type": "sample", "payload": "!!!!"})),
        ("reference values of depth", "/kbs/v0/reference-value",
         json.dumps({"version": "0.1.0", "type": "sample", "payload": base64.b64encode(b'{"a":' + b"[" * 9000).decode()}))]:
    a = ask("POST", path, body, bearer=ADMIN)
    tap(a.status == 401 or (a.status == 200 and "path" in name), f"upload: {name}", a)

# ---- afterwards -----------------------------------------------------------------------------------------------------------

a = ask("GET", RESOURCE, cookie=COOKIE)
tap(a.status == 200 and "ciphertext" in a.doc, "the honest guest's session has outlived all of that", a)
for s in SLOW:
    s.join(max(0.1, s.began + 60 - time.monotonic()))
tap(all(statuses(s.got) == [408] for s in SLOW), "slow: a byte now and then is cut off: 408", [s.got[:80] for s in SLOW])
tap(not leaked, "no answer had the secret in it", leaked)
print(f"1..{count}")
sys.exit(1 if failures else 0)

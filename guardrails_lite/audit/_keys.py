"""The keys that sign checkpoints, and how they evolve.

A key signs for one epoch and is then replaced by its successor and forgotten, so whoever steals today's key
cannot rewrite what was signed yesterday. Two kinds:

- `Ed25519Key` (with `cryptography`, extra ``[audit]``): the successor is a fresh pair whose public half the
  old key signs. Anybody can verify.
- `HmacKey` (standard library): the successor is the hash of the key. Only who holds the first key can
  verify, so it is exported once, at creation, and must then be kept elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from guardrails_lite._errors import MissingPackage
from guardrails_lite.audit._note import BadNote, b64, unb64

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Algorithm = Literal["ed25519", "hmac-sha256"]

_ED25519_ID: Final = b"\x01"
_HMAC_ID: Final = b"\xffguardrails-lite/hmac-sha256"


def _key_id(name: str, kind: bytes, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + kind + public).digest()[:4]


@dataclass(frozen=True, slots=True, repr=False)
class Ed25519Public:
    """A public key, written as C2SP does: ``name+keyid+base64(0x01 ‖ key)``."""

    name: str
    public: bytes

    def __str__(self) -> str:
        key_id = _key_id(self.name, _ED25519_ID, self.public)
        return f"{self.name}+{key_id.hex()}+{b64(_ED25519_ID + self.public)}"

    def check(self, text: bytes, signature: bytes) -> bool:
        """Whether *signature*, with its four leading bytes, is this key's over *text*."""
        if signature[:4] != _key_id(self.name, _ED25519_ID, self.public):
            return False
        return _verify_ed25519(self.public, text, signature[4:])

    def successor(self, declared: str) -> Ed25519Public:
        """The next epoch's key, as *declared* by a line that this key has signed."""
        return Ed25519Public.read(declared)

    def stream_key(self, declared: str, origin: str) -> Ed25519Public:
        """The first key of a stream, as *declared* in the registry."""
        return Ed25519Public.read(declared)

    @staticmethod
    def read(text: str) -> Ed25519Public:
        """Read a public key.

        Raises:
            BadNote: *text* is not one.
        """
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = unb64(encoded)
        public = data[1:]
        if not name or data[:1] != _ED25519_ID or len(public) != 32:
            raise BadNote("not an Ed25519 verifier key: expected name+keyid+base64")
        if _key_id(name, _ED25519_ID, public).hex() != key_id:
            raise BadNote("an Ed25519 verifier key whose id is not its own")
        return Ed25519Public(name, public)


@dataclass(frozen=True, slots=True, repr=False)
class Ed25519Key:
    """A private key for one epoch."""

    name: str
    private: Ed25519PrivateKey
    public: Ed25519Public

    @staticmethod
    def new(name: str) -> Ed25519Key:
        """A fresh pair."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return _pair(name, Ed25519PrivateKey.generate())

    @staticmethod
    def load(name: str, secret: bytes) -> Ed25519Key:
        """The pair whose private half is *secret*."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return _pair(name, Ed25519PrivateKey.from_private_bytes(secret))

    @property
    def secret(self) -> bytes:
        """The private half."""
        return self.private.private_bytes_raw()

    @property
    def declared(self) -> str:
        """What a line says to announce this key."""
        return str(self.public)

    def sign(self, text: bytes) -> bytes:
        """Four bytes that name the key, then the signature over *text*."""
        return _key_id(self.name, _ED25519_ID, self.public.public) + self.private.sign(text)

    def next(self) -> Ed25519Key:
        """The key of the next epoch."""
        return Ed25519Key.new(self.name)

    def for_stream(self, origin: str) -> Ed25519Key:
        """The first key of a new stream."""
        return Ed25519Key.new(origin)


def _pair(name: str, private: Ed25519PrivateKey) -> Ed25519Key:
    return Ed25519Key(name, private, Ed25519Public(name, private.public_key().public_bytes_raw()))


@dataclass(frozen=True, slots=True, repr=False)
class HmacKey:
    """A shared key for one epoch; it checks what it signs."""

    name: str
    secret: bytes

    @staticmethod
    def new(name: str) -> HmacKey:
        """A fresh key."""
        return HmacKey(name, secrets.token_bytes(32))

    @property
    def declared(self) -> str:
        """What a line says to announce this key: nothing that helps to forge."""
        return "hmac-sha256"

    def sign(self, text: bytes) -> bytes:
        """Four bytes that name the key, then the HMAC of *text*."""
        return _key_id(self.name, _HMAC_ID, b"") + hmac.digest(self.secret, text, "sha256")

    def check(self, text: bytes, signature: bytes) -> bool:
        """Whether *signature*, with its four leading bytes, is this key's over *text*."""
        return hmac.compare_digest(signature, self.sign(text))

    def next(self) -> HmacKey:
        """The key of the next epoch."""
        return HmacKey(self.name, sha256(b"glog/1 next\0" + self.secret).digest())

    def for_stream(self, origin: str) -> HmacKey:
        """The first key of a new stream."""
        return HmacKey(origin, hmac.digest(self.secret, b"glog/1 stream\0" + origin.encode(), "sha256"))

    def successor(self, declared: str) -> HmacKey:
        """The next epoch's key."""
        return self.next()

    def stream_key(self, declared: str, origin: str) -> HmacKey:
        """The first key of a stream opened in this epoch of the registry."""
        return self.for_stream(origin)


PrivateKey = Ed25519Key | HmacKey
PublicKey = Ed25519Public | HmacKey


def has_cryptography() -> bool:
    """Whether Ed25519 can be signed and texts can be sealed here."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError:
        return False
    return True


def new_key(algorithm: Algorithm, name: str) -> PrivateKey:
    """The first key of a log."""
    return Ed25519Key.new(name) if algorithm == "ed25519" else HmacKey.new(name)


def load_key(algorithm: str, name: str, secret: bytes) -> PrivateKey:
    """A key kept in a file.

    Raises:
        MissingPackage: it is Ed25519, and cryptography is not installed.
    """
    if algorithm == "ed25519" and not has_cryptography():
        raise MissingPackage.needed_by(
            "writing to a log that is signed with Ed25519", "cryptography", install="guardrails-lite[audit]"
        )
    return Ed25519Key.load(name, secret) if algorithm == "ed25519" else HmacKey(name, secret)


def _verify_ed25519(public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        from guardrails_lite.audit._standalone import is_signed

        return is_signed(public, text, signature)
    held: Any = Ed25519PublicKey.from_public_bytes(public)
    try:
        held.verify(signature, text)
    except InvalidSignature:
        return False
    return True

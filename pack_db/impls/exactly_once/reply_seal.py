import hashlib
import itertools
import os

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE_BYTES = 12


class ReplySeal:
    """Keeps a client's recorded reply from everybody who does not know its client id.

    A reply may hold a new API key. The id has 128 random bits and is stored nowhere: a row is
    found by one hash of it and opened with a key that is another.
    """

    def __init__(self, client_id: bytes) -> None:
        self.row_key = _hash(client_id, b"pack-db row")
        self._cipher = ChaCha20Poly1305(_hash(client_id, b"pack-db seal"))
        # From a random start, as the daemon before had the same key; of half the range, so that it
        # never ends. Asking the kernel for each would take longer than the cipher.
        self._nonces = itertools.count(int.from_bytes(os.urandom(_NONCE_BYTES)) // 2)

    def close(self, reply: bytes) -> bytes:
        nonce = next(self._nonces).to_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, reply, None)

    def open(self, sealed: bytes) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)


def _hash(client_id: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(client_id, digest_size=32, person=purpose).digest()

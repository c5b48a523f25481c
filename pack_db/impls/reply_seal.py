import hashlib
import os

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE_BYTES = 12


class ReplySeal:
    """Keeps a client's recorded reply from everybody who does not know its client id.

    A reply may hold a new API key. The id has 128 random bits and is stored nowhere: a row is
    found by one hash of it and opened with a key that is another.
    """

    def __init__(self, client_id: bytes) -> None:
        self._client_id = client_id

    @property
    def row_key(self) -> bytes:
        return hashlib.blake2b(self._client_id, digest_size=32, person=b"pack-db row").digest()

    def close(self, reply: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, reply, None)

    def open(self, sealed: bytes) -> bytes:
        return self._cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)

    def _cipher(self) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(
            hashlib.blake2b(self._client_id, digest_size=32, person=b"pack-db seal").digest()
        )

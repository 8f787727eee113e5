"""An identity provider: it has keys, publishes them, and signs tokens."""

import json
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from temporalio.client import Client

from activities.identity import IdentityMode
from stockkeeper.client.identity import SendsIdentity

ISSUER = "https://login.example"
AUDIENCE = "stockkeeper"
HOUR = 3600


def key(name: str) -> ECKey:
    """A new key of this name."""
    return ECKey.generate_key("P-256", {"kid": name})


class Provider:
    """An identity provider that publishes its keys in a file.

    Args:
        place: The file.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.signing = key("first")
        self.publish(self.signing)

    def publish(self, *keys: ECKey) -> None:
        """Publish these keys, and no others."""
        new = self.place.with_suffix(".new")
        new.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))
        new.replace(self.place)

    def token(self, person: str, *roles: str, by: Any = None, alg: str = "ES256", **claims: Any) -> str:
        """A token that is valid for an hour, unless claims say otherwise; a claim that is None is left out."""
        now = int(time.time())
        usual = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": person,
            "iat": now,
            "exp": now + HOUR,
            "roles": list(roles),
            "warehouses": "*",
            "limit": 1_000_000,
        }
        signing = by or self.signing
        told = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode({"alg": alg, "kid": signing.kid}, told, signing, algorithms=[alg])

    @property
    def settings(self) -> dict[str, Any]:
        """A worker's settings that require identities of this provider."""
        return {
            "identity": IdentityMode.REQUIRED,
            "identity_issuer": ISSUER,
            "identity_audience": AUDIENCE,
            "identity_keys": str(self.place),
            "identity_warehouses_claim": "warehouses",
            "identity_limit_claim": "limit",
        }


def carrying(client: Client, token: str) -> Client:
    """The same client, whose calls carry a token."""
    config = client.config()
    config["interceptors"] = [SendsIdentity(token)]
    return Client(**config)

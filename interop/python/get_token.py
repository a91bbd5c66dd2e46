"""Gets a token with azure.identity. Reads what to do from standard input, as JSON;
writes the token and its expiry to standard output, as JSON."""

import asyncio
import json
import sys

import azure.identity
import azure.identity.aio

DO = json.load(sys.stdin)
# The name before 1.13.0, and since.
DISCOVERY_OFF = {"instance_discovery": False, "disable_instance_discovery": True}


def arguments():
    """Returns the name, positional and keyword arguments of the credential."""
    who = (DO["tenant"], DO["client"])
    at = {"authority": DO["authority"], **DISCOVERY_OFF}
    proof = DO["proof"]
    if proof == "secret":
        return "ClientSecretCredential", (*who, DO["secret"]), at
    if proof in ("certificate", "chain"):
        at["send_certificate_chain"] = proof == "chain"
        return "CertificateCredential", (*who, DO["certificate"]), at
    if proof == "assertion":
        # It takes no authority, only AZURE_AUTHORITY_HOST, and never does discovery.
        return "ClientAssertionCredential", (*who, lambda: DO["assertion"]), {}
    raise ValueError("no such proof: " + proof)


def get_token():
    name, args, kwargs = arguments()
    with getattr(azure.identity, name)(*args, **kwargs) as credential:
        return credential.get_token(DO["scope"])


async def get_token_async():
    name, args, kwargs = arguments()
    async with getattr(azure.identity.aio, name)(*args, **kwargs) as credential:
        return await credential.get_token(DO["scope"])


token = asyncio.run(get_token_async()) if DO["async"] else get_token()
json.dump({"token": token.token, "expiresOn": token.expires_on}, sys.stdout)

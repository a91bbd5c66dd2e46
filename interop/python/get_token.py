"""Gets tokens with azure.identity. Every line of standard input says, as JSON, which
credential is to get one; a line of standard output has the token and its expiry, or
what went wrong."""

import asyncio
import json
import os
import sys

import azure.identity
import azure.identity.aio

# The name before 1.13.0, and since.
DISCOVERY_OFF = {"instance_discovery": False, "disable_instance_discovery": True}


def arguments(do):
    """Returns the name, positional and keyword arguments of the credential."""
    who = (do["tenant"], do["client"])
    at = {"authority": do["authority"], **DISCOVERY_OFF}
    kind, proof = do["credential"], do["proof"]
    if kind == "client":
        if proof == "secret":
            return "ClientSecretCredential", (*who, do["secret"]), at
        if proof in ("certificate", "chain"):
            at["send_certificate_chain"] = proof == "chain"
            return "CertificateCredential", (*who, do["certificate"]), at
        # It takes no authority, only AZURE_AUTHORITY_HOST, and never does discovery.
        return "ClientAssertionCredential", (*who, lambda: do["assertion"]), {}
    if kind == "environment":
        return "EnvironmentCredential", (), at
    if kind == "onBehalfOf":
        at["user_assertion"] = do["user"]
        if proof == "secret":
            at["client_secret"] = do["secret"]
        elif proof == "certificate":
            with open(do["certificate"], "rb") as file:
                at["client_certificate"] = file.read()
        else:
            at["client_assertion_func"] = lambda: do["assertion"]
        return "OnBehalfOfCredential", who, at
    if kind == "authorizationCode":
        if proof == "secret":
            at["client_secret"] = do["secret"]
        return "AuthorizationCodeCredential", (*who, do["code"], do["redirect"]), at
    if kind == "workloadIdentity":
        named = {"tenant_id": who[0], "client_id": who[1], "token_file_path": do["tokenFile"]}
        return "WorkloadIdentityCredential", (), {**named, **at}
    if kind == "pipelines":
        named = {"tenant_id": who[0], "client_id": who[1], "service_connection_id": do["serviceConnection"]}
        return "AzurePipelinesCredential", (), {**named, "system_access_token": do["systemToken"], **at}
    people = {"tenant_id": who[0], "client_id": who[1], **at}
    if kind == "deviceCode":
        return "DeviceCodeCredential", (), {**people, "prompt_callback": show}
    if kind == "browser":
        return "InteractiveBrowserCredential", (), {**people, "login_hint": do["username"]}
    if kind == "password":
        del people["client_id"]
        return "UsernamePasswordCredential", (who[1], do["username"], do["password"]), people
    if kind == "managedIdentity":
        return "ManagedIdentityCredential", (), identity(do)
    raise ValueError("no such credential: " + kind)


def show(_uri, user_code, _expires_on):
    """Shows a device code to whoever told this program what to do."""
    print(json.dumps({"userCode": user_code}), flush=True)


def identity(do):
    """Returns the keyword arguments that choose an identity."""
    kind, value = do["idKind"], do["id"]
    if kind == "client":
        return {"client_id": value}
    if kind == "object":
        return {"identity_config": {"object_id": value}}
    if kind == "resource":
        # The caller has to know what the host calls it.
        name = "mi_res_id" if "IDENTITY_HEADER" in os.environ else "msi_res_id"
        return {"identity_config": {name: value}}
    return {}


def get_token(do):
    name, args, kwargs = arguments(do)
    credential = getattr(azure.identity, name)(*args, **kwargs)
    record = None
    try:
        if do["then"] in ("again", "other scope"):
            credential.get_token(do["scopeBefore"])
        elif do["then"] == "record":
            record = credential.authenticate(scopes=[do["scopeBefore"]])
            if not do["scope"]:
                return None, record
            credential.close()
            # The authority is the record's.
            kwargs.pop("authority")
            credential = getattr(azure.identity, name)(
                *args, authentication_record=record, disable_automatic_authentication=True, **kwargs
            )
        return credential.get_token(do["scope"]), record
    finally:
        credential.close()


async def get_token_async(do):
    name, args, kwargs = arguments(do)
    credential = getattr(azure.identity.aio, name)(*args, **kwargs)
    try:
        return await credential.get_token(do["scope"]), None
    finally:
        await credential.close()


def perform(do):
    """Returns the answer."""
    if do["credential"] == "record":
        token, record = None, azure.identity.AuthenticationRecord.deserialize(do["record"])
    else:
        token, record = asyncio.run(get_token_async(do)) if do["async"] else get_token(do)
    answer = {}
    if token:
        answer.update({"token": token.token, "expiresOn": token.expires_on})
    if record:
        answer["record"] = record.serialize()
    return answer


# Without the ampersand the library waits for the browser, which waits for the library.
os.environ["BROWSER"] = os.environ.get("BROWSER", "false") + " %s &"

for line in sys.stdin:
    try:
        answer = perform(json.loads(line))
    except Exception as error:  # pylint:disable=broad-except
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)

"""Signs a person in with azure.identity. Reads what to do from standard input, as JSON;
writes the token and the record of the account to standard output, as JSON."""

import json
import sys

import azure.identity
import requests

DO = json.load(sys.stdin)


def approve(_uri, user_code, _expires_on):
    """Plays the person with the device code."""
    answer = {"userCode": user_code, "user": DO["username"]}
    requests.post(DO["authority"] + "/_emulator/devicecodes", json=answer).raise_for_status()


ARGUMENTS = {"authority": DO["authority"], "tenant_id": DO["tenant"], "client_id": DO["client"]}
# The name before 1.13.0, and since.
ARGUMENTS.update(instance_discovery=False, disable_instance_discovery=True)
# A record of ours. That it is read is all there is to see: without a cache that outlives
# the process, it finds nothing.
record = azure.identity.AuthenticationRecord.deserialize(json.dumps(DO["record"]))
assert record.username == DO["username"], record.username

if DO["flow"] == "device code":
    credential = azure.identity.DeviceCodeCredential(prompt_callback=approve, **ARGUMENTS)
else:
    credential = azure.identity.InteractiveBrowserCredential(login_hint=DO["username"], **ARGUMENTS)
record = credential.authenticate(scopes=[DO["scope"]])
token = credential.get_token(DO["scope"])
json.dump({"token": token.token, "record": json.loads(record.serialize())}, sys.stdout)

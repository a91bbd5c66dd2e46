// Gets a token with @azure/identity. Reads what to do from standard input, as JSON;
// writes the token and its expiry to standard output, as JSON.

import { text } from "node:stream/consumers";
import {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
} from "@azure/identity";

const to = JSON.parse(await text(process.stdin));
const options = { authorityHost: to.authority, disableInstanceDiscovery: true };

function credential() {
  switch (to.proof) {
    case "secret":
      return new ClientSecretCredential(to.tenant, to.client, to.secret, options);
    case "certificate":
    case "chain":
      return new ClientCertificateCredential(
        to.tenant,
        to.client,
        { certificatePath: to.certificate },
        { ...options, sendCertificateChain: to.proof === "chain" },
      );
    case "assertion":
      return new ClientAssertionCredential(to.tenant, to.client, async () => to.assertion, options);
    default:
      throw new Error(`no such proof: ${to.proof}`);
  }
}

const token = await credential().getToken(to.scope);
process.stdout.write(
  JSON.stringify({ token: token.token, expiresOn: Math.floor(token.expiresOnTimestamp / 1000) }),
);

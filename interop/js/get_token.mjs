// Gets tokens with @azure/identity. Every line of standard input says, as JSON, which
// credential is to get one; a line of standard output has the token and its expiry, or
// what went wrong.

import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import { createInterface } from "node:readline";
import * as identity from "@azure/identity";

// MSAL does not tell why a connection failed.
let failed = "";
const { request } = https;
https.request = (...args) => request(...args).on("error", (error) => (failed = `; ${error.message}`));
syncBuiltinESMExports();

// construct returns the credential. With a record it may ask nobody.
function construct(to, record) {
  const options = { authorityHost: to.authority, disableInstanceDiscovery: true };
  if (record) {
    options.authenticationRecord = record;
    options.disableAutomaticAuthentication = true;
  }
  const who = { tenantId: to.tenant, clientId: to.client };
  const assertion = async () => to.assertion;
  const chain = { ...options, sendCertificateChain: to.proof === "chain" };
  switch (to.credential) {
    case "client":
      switch (to.proof) {
        case "secret":
          return new identity.ClientSecretCredential(to.tenant, to.client, to.secret, options);
        case "assertion":
          return new identity.ClientAssertionCredential(to.tenant, to.client, assertion, options);
        default:
          return new identity.ClientCertificateCredential(
            to.tenant,
            to.client,
            { certificatePath: to.certificate },
            chain,
          );
      }
    case "environment":
      return new identity.EnvironmentCredential(options);
    case "onBehalfOf":
      return new identity.OnBehalfOfCredential({
        ...options,
        ...who,
        userAssertionToken: to.user,
        ...{
          secret: { clientSecret: to.secret },
          certificate: { certificatePath: to.certificate },
          assertion: { getAssertion: assertion },
        }[to.proof],
      });
    case "authorizationCode":
      return to.proof === "secret"
        ? new identity.AuthorizationCodeCredential(
            to.tenant,
            to.client,
            to.secret,
            to.code,
            to.redirect,
            options,
          )
        : new identity.AuthorizationCodeCredential(to.tenant, to.client, to.code, to.redirect, options);
    case "workloadIdentity":
      return new identity.WorkloadIdentityCredential({ ...options, ...who, tokenFilePath: to.tokenFile });
    case "pipelines":
      return new identity.AzurePipelinesCredential(
        to.tenant,
        to.client,
        to.serviceConnection,
        to.systemToken,
        options,
      );
    case "deviceCode":
      return new identity.DeviceCodeCredential({
        ...options,
        ...who,
        userPromptCallback: ({ userCode }) => write({ userCode }),
      });
    case "browser":
      return new identity.InteractiveBrowserCredential({ ...options, ...who, loginHint: to.username });
    case "password":
      return new identity.UsernamePasswordCredential(to.tenant, to.client, to.username, to.password, options);
    case "managedIdentity":
      return new identity.ManagedIdentityCredential({
        ...{ client: { clientId: to.id }, object: { objectId: to.id }, resource: { resourceId: to.id } }[
          to.idKind
        ],
      });
    default:
      throw new Error(`no such credential: ${to.credential}`);
  }
}

async function answer(to) {
  failed = "";
  try {
    if (to.credential === "record") {
      const record = identity.deserializeAuthenticationRecord(to.record);
      return { record: identity.serializeAuthenticationRecord(record) };
    }
    let credential = construct(to);
    const got = {};
    if (to.then === "again" || to.then === "other scope") {
      await credential.getToken(to.scopeBefore);
    } else if (to.then === "record") {
      const record = await credential.authenticate(to.scopeBefore);
      got.record = identity.serializeAuthenticationRecord(record);
      if (!to.scope) {
        return got;
      }
      credential = construct(to, record);
    }
    const { token, expiresOnTimestamp } = await credential.getToken(to.scope);
    return { ...got, token, expiresOn: Math.floor(expiresOnTimestamp / 1000) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}${failed}` };
  }
}

function write(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

for await (const line of createInterface({ input: process.stdin })) {
  write(await answer(JSON.parse(line)));
}

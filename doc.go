// Package azidentity authenticates programs and people to Microsoft Entra ID.
//
// Every type here that ends in Credential is an [azcore.TokenCredential], so
// that every Azure SDK client takes it. Names and meanings are those of
// Microsoft's package of the same name: a program moves by changing the import
// path. What is added to them is described in docs/migrating-from-azidentity.md.
//
// # Which credential
//
//   - a service with a secret or a certificate: [ClientSecretCredential],
//     [ClientCertificateCredential]
//   - a pod in Kubernetes: [WorkloadIdentityCredential]
//   - a job of Azure Pipelines: [AzurePipelinesCredential]
//   - a workload with a token of another issuer: [ClientAssertionCredential],
//     with a source such as [AssertionFromGitHubActions], [AssertionFromFile],
//     [AssertionFromURL], [AssertionFromCommand] or [AssertionFromCredential]
//   - a web API that calls another for its own caller: [OnBehalfOfCredential]
//   - a web application whose users sign in: [AuthorizationCodeCredential]
//   - a person at this machine, or with a browser elsewhere:
//     [InteractiveBrowserCredential], [DeviceCodeCredential]
//   - a program on a virtual machine or another host in Azure, without any
//     secret: [ManagedIdentityCredential]
//   - configured by the environment: [EnvironmentCredential]
//   - whichever of several works: [ChainedTokenCredential]
//
// # The path of a token
//
//	GetToken            resolve the tenant, name the key; no I/O
//	  tokencache.Get    fresh: return it, about 100 ns, no lock, no allocation
//	                    aging: return it, and renew it behind the caller
//	                    missing: join or start the one request for the key
//	    Fetch           check scopes
//	      entra         find the endpoint, prove the application, post the grant
//	                    turn the answer into a token or an error
//	    index           file the token, wake the waiters
//
// Tokens belong to the identity, not to the instance: credentials that are
// constructed alike share their tokens within the process. See [TokenOptions].
//
// # Four things called cache
//
// Package cache is where bytes rest on this machine. The internal package
// tokencache is what is in memory, always; a [TokenMemory] bounds it. The internal
// package msalcache is the schema that Microsoft's libraries share. A Cache is what
// options take.
//
// # Errors
//
// Errors are of three kinds: the credential is unavailable and a chain goes on
// (see [NewCredentialUnavailableError] and [IsCredentialUnavailable]),
// [*AuthenticationFailedError], and [*AuthenticationRequiredError]. When a
// context ends, errors.Is(err, context.Canceled) or the like holds. No error,
// log entry or formatted value holds a secret, an assertion or a token.
//
// # Environment
//
// AZURE_AUTHORITY_HOST names the authority when options do not, for all
// credentials. AZURE_REGIONAL_AUTHORITY_NAME names a region, or TryAutoDetect,
// for applications' own tokens. AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY set
// to 1 or true does what the option DisableInstanceDiscovery does.
// AZURE_IDENTITY_DISABLE_MULTITENANTAUTH with any value makes credentials
// ignore the tenant of a request. [ManagedIdentityCredential] reads the variables
// of the hosts it knows. The environment is read by constructors only.
package azidentity

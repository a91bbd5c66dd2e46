// Package assertion makes the JSON web tokens with which an application proves
// to Entra ID that it holds a certificate's private key.
//
// It owns the way from a file to a header.claims.signature string: reading PEM
// and PKCS#12 ([ParseCertificates]), signing with a local or a remote key
// ([Signer]), reusing what was signed ([Cached]), and saying what an assertion
// made elsewhere contains ([Describe]).
//
// Sending an assertion, judging the server's answer and choosing the profile
// for an authority belong to the packages above. Nothing here reads files or
// the environment, or opens a connection; an opaque [crypto.Signer] may.
package assertion

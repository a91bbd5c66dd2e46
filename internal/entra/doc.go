// Package entra speaks Microsoft Entra ID's token protocol: RFC 6749 with the
// grants and dialects of Entra, ADFS and dSTS.
//
// It owns the clouds and their authorities, how endpoints are found (mostly
// without asking), the HTTP pipeline, the requests of each grant, and the one
// function each that turns bytes into a token or into an [Error]. It keeps no
// tokens (package tokencache does) and signs nothing (package assertion does):
// what proves the application's identity comes in as a [ClientAuth].
package entra

// Package managedidentity asks the machine that the program runs on for a
// token of the identity that Azure gave it.
//
// It owns which hosting environment that is (detect.go), how each one is asked
// (one file each), what its answers mean (verdict.go, answer.go, expiry.go) and
// when it is asked again (retry.go). Tokens are kept by package tokencache; what
// an error looks like to a program is the business of the credential.
//
// Whatever comes from the machine is taken for hostile: addresses, paths and
// bodies. Nothing is followed, everything is bounded, and a file is read only
// where the agent of Azure Arc keeps its keys.
package managedidentity

// Package assertion reads certificates and signs client assertions.
package assertion

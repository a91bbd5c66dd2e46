//go:build !linux && !windows

package managedidentity

// There is no agent of Azure Arc for this system.
func arcPlaces() (keys, agent string) { return "", "" }

package managedidentity

// The fixed places of Azure Arc's agent.
func arcPlaces() (keys, agent string) {
	return "/var/opt/azcmagent/tokens", "/opt/azcmagent/bin/himds"
}

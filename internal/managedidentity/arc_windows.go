package managedidentity

import (
	"os"
	"path/filepath"
)

// The fixed places of Azure Arc's agent.
func arcPlaces() (keys, agent string) {
	const name = "AzureConnectedMachineAgent"
	if dir := os.Getenv("ProgramData"); dir != "" {
		keys = filepath.Join(dir, name, "Tokens")
	}
	if dir := os.Getenv("ProgramFiles"); dir != "" {
		agent = filepath.Join(dir, name, "himds.exe")
	}
	return keys, agent
}

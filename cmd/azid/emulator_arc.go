package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// arcKeys is the directory in which the emulator leaves keys, as the agent of
// Azure Arc does.
type arcKeys struct {
	path string
	made []string // directories that were not there, the outermost first
}

// arcDirectory is where clients look for keys, and most of them nowhere else:
// whoever listens on the agent's port could otherwise have them send any file.
func arcDirectory() string {
	switch runtime.GOOS {
	case "linux":
		return "/var/opt/azcmagent/tokens"
	case "windows":
		return filepath.Join(os.Getenv("ProgramData"), "AzureConnectedMachineAgent", "Tokens")
	}
	return ""
}

// prepareArc makes sure that keys can be written. An empty path is the agent's.
func prepareArc(path string) (*arcKeys, error) {
	chosen := path != ""
	if !chosen {
		if path = arcDirectory(); path == "" {
			return nil, usagef("azid emulator: --host arc: Azure Arc has no agent for %s, so clients look for its keys nowhere; for those that would look anywhere there is --arc-keys", runtime.GOOS)
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("azid emulator: %w", err)
	}
	k := &arcKeys{path: path}
	err = k.make(path)
	if err == nil {
		err = k.try()
	}
	if err == nil {
		return k, nil
	}
	_ = k.remove()
	err = fmt.Errorf("azid emulator: the keys of Azure Arc's agent cannot be written: %w", err)
	if chosen || runtime.GOOS != "linux" {
		return nil, err
	}
	return nil, &hint{err, "unshare --map-root-user --mount sh -c 'mount -t tmpfs none /var/opt && azid emulator --host arc -- COMMAND', since clients read keys there and nowhere else"}
}

// make makes the directory for its user alone, and those above it if need be.
func (k *arcKeys) make(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent := filepath.Dir(path); parent != path {
		if err := k.make(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	k.made = append(k.made, path)
	return nil
}

// try writes a file, since permissions do not tell.
func (k *arcKeys) try() error {
	f, err := os.CreateTemp(k.path, ".azid-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// remove removes the directories that were made, if nobody else uses them.
func (k *arcKeys) remove() error {
	for i := len(k.made) - 1; i >= 0; i-- {
		if err := os.Remove(k.made[i]); err != nil {
			return fmt.Errorf("azid emulator: %w", err)
		}
	}
	return nil
}

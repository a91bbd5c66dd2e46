package main

import (
	"errors"
	"os"
	"path/filepath"
)

// A replacement is a file that takes the place of another when it is complete. Readers
// find the old one or the new one, never half of one.
type replacement struct {
	file *os.File
	path string
}

// newReplacement finds out whether path can be written, and leaves it alone.
func newReplacement(path string) (*replacement, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".azid-") // mode 0600
	if err != nil {
		return nil, err
	}
	return &replacement{file, path}, nil
}

// commit puts data in the place of what path was.
func (r *replacement) commit(data []byte) error {
	_, err := r.file.Write(data)
	err = errors.Join(err, r.file.Close())
	if err == nil {
		err = os.Rename(r.file.Name(), r.path)
	}
	if err != nil {
		_ = os.Remove(r.file.Name())
	}
	return err
}

// discard leaves path as it was. After commit it does nothing.
func (r *replacement) discard() {
	if r.file.Close() == nil {
		_ = os.Remove(r.file.Name())
	}
}

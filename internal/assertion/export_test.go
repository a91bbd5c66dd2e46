package assertion

var EncodeThumbprint = thumbprint

// Kept counts the assertions held.
func Kept(c *Cached) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

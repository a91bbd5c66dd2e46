package azidentity

import "github.com/azid-go/azidentity/internal/tokencache"

// SharedTokens are the counters of the memory that credentials share.
func SharedTokens() tokencache.Stats { return processMemory.tokens.Stats() }

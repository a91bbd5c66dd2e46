package entra

import (
	"errors"
	"fmt"
	"strings"
)

const defaultSuffix = "/.default"

// Resource returns the identifier of the resource that scope is of.
//
// Only one final "/.default" is cut off: an identifier may end in a slash, and
// then the scope has two ("https://management.core.windows.net//.default").
// A named scope of an https or api identifier loses its last segment; anything
// else is a permission of Microsoft Graph, or is returned as it is.
func Resource(scope string) string {
	if r, ok := strings.CutSuffix(scope, defaultSuffix); ok {
		return r
	}
	i := strings.LastIndexByte(scope, '/')
	if !strings.Contains(scope, "://") || strings.HasSuffix(scope[:i+1], "://") {
		return scope
	}
	return scope[:i]
}

// DefaultScope returns the scope that asks for all that is granted on resource.
func DefaultScope(resource string) string { return resource + defaultSuffix }

// ErrSeveralResources is in the tree of the error for scopes that no single
// token can have.
var ErrSeveralResources = errors.New("a token is for one resource")

// checkOneResource finds default scopes of several resources, which the
// client credentials grant cannot mix.
func checkOneResource(scopes []string) error {
	first := ""
	for _, s := range scopes {
		if !strings.HasSuffix(s, defaultSuffix) {
			continue
		}
		if first == "" {
			first = s
		} else if !strings.EqualFold(first, s) {
			return fmt.Errorf("%w: %q and %q are two; request a token for each", ErrSeveralResources, first, s)
		}
	}
	return nil
}

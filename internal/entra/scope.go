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
// A named scope of an https or api identifier loses its last segment. Anything
// else is returned as it is: a permission of Microsoft Graph, or an identifier
// already, with the slash at its end if it has one.
func Resource(scope string) string {
	if r, ok := strings.CutSuffix(scope, defaultSuffix); ok {
		return r
	}
	i := strings.LastIndexByte(scope, '/')
	if !strings.Contains(scope, "://") || i == len(scope)-1 || strings.HasSuffix(scope[:i+1], "://") {
		return scope
	}
	return scope[:i]
}

// DefaultScope returns the scope that asks for all that is granted on resource.
func DefaultScope(resource string) string { return resource + defaultSuffix }

// ErrSeveralResources is in the tree of the error for scopes that no single
// token can have.
var ErrSeveralResources = errors.New("a token is for one resource")

// checkOneResource finds scopes of several resources. Those that do not name
// their resource fit any.
func checkOneResource(scopes []string) error {
	first := ""
	for _, s := range scopes {
		if !strings.HasSuffix(s, defaultSuffix) && !strings.Contains(s, "://") {
			continue
		}
		if first == "" {
			first = s
		} else if !strings.EqualFold(Resource(first), Resource(s)) {
			return fmt.Errorf("%w: %q and %q are two; request a token for each", ErrSeveralResources, first, s)
		}
	}
	return nil
}

package azidentity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/events"
)

const credNameChain = "ChainedTokenCredential"

// ChainedTokenCredentialOptions are the options of [ChainedTokenCredential].
// Nil and the zero value mean the same.
type ChainedTokenCredentialOptions struct {
	// RetrySources asks all sources in turn for every token. By default the
	// first that succeeds is the only one asked from then on. (Python's chain
	// behaves as with RetrySources.)
	RetrySources bool
}

// ChainedTokenCredential asks credentials in turn until one returns a token.
// It goes on to the next when one is unavailable (see
// [NewCredentialUnavailableError]), and stops at any other error. It is safe
// for concurrent use.
type ChainedTokenCredential struct {
	name    string
	sources []azcore.TokenCredential
	retry   bool

	winner atomic.Pointer[azcore.TokenCredential]
	turn   chan struct{} // holds one element while somebody goes through the sources
}

// NewChainedTokenCredential makes a chain of at least one source. The slice is
// copied; the sources are not changed.
func NewChainedTokenCredential(sources []azcore.TokenCredential, options *ChainedTokenCredentialOptions) (*ChainedTokenCredential, error) {
	if options == nil {
		options = &ChainedTokenCredentialOptions{}
	}
	if len(sources) == 0 {
		return nil, errors.New(credNameChain + ": at least one source is needed")
	}
	for i, s := range sources {
		if s == nil || reflect.ValueOf(s).Kind() == reflect.Pointer && reflect.ValueOf(s).IsNil() {
			return nil, fmt.Errorf("%s: source %d is nil: leave out the credentials that could not be constructed", credNameChain, i)
		}
	}
	return &ChainedTokenCredential{
		name: credNameChain, sources: slices.Clone(sources), retry: options.RetrySources, turn: make(chan struct{}, 1),
	}, nil
}

// GetToken returns the token of the first source that has one. While no source
// has succeeded yet, one caller at a time goes through them, and the others
// wait, each under its own context. Azure SDK clients call it.
func (c *ChainedTokenCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if w := c.winner.Load(); w != nil {
		return (*w).GetToken(ctx, opts)
	}
	if c.retry {
		t, _, err := c.try(ctx, opts)
		return t, err
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return azcore.AccessToken{}, c.stopped(ctx, nil)
	}
	if w := c.winner.Load(); w != nil {
		return (*w).GetToken(ctx, opts)
	}
	t, winner, err := c.try(ctx, opts)
	if err == nil {
		c.winner.Store(&winner)
	}
	return t, err
}

// try goes through the sources.
func (c *ChainedTokenCredential) try(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, azcore.TokenCredential, error) {
	var attempts []attempt
	for _, s := range c.sources {
		start := time.Now()
		t, err := s.GetToken(ctx, opts)
		if err == nil && t.Token == "" {
			err = errors.New("it returned neither a token nor an error")
		}
		if err == nil {
			events.Log(ctx, events.ChainSelected, slog.String("chain", c.name), slog.String("credential", typeName(s)), events.Since(start))
			return t, s, nil
		}
		attempts = append(attempts, attempt{typeName(s), err})
		if ctx.Err() != nil {
			return azcore.AccessToken{}, nil, c.stopped(ctx, attempts)
		}
		if !IsCredentialUnavailable(err) {
			return azcore.AccessToken{}, nil, c.failed(attempts)
		}
		events.Log(ctx, events.ChainSkipped, slog.String("chain", c.name), slog.String("credential", typeName(s)), events.Since(start), events.Err(err))
	}
	return azcore.AccessToken{}, nil, &chainUnavailableError{credentialUnavailableError{c.message(attempts)}, attempts}
}

// An attempt is a source that did not return a token.
type attempt struct {
	name string
	err  error
}

// A chainUnavailableError is the error of a chain none of whose sources could
// try. An outer chain goes on after it.
type chainUnavailableError struct {
	credentialUnavailableError
	attempts []attempt
}

// Unwrap returns the errors of all sources.
func (e *chainUnavailableError) Unwrap() []error { return causes(e.attempts) }

func causes(attempts []attempt) (errs []error) {
	for _, a := range attempts {
		errs = append(errs, a.err)
	}
	return errs
}

// failed is the error of a chain that a source's error stopped. That error
// leads: it is the likely cause. What it says of the authority's answer is
// taken over.
func (c *ChainedTokenCredential) failed(attempts []attempt) error {
	e := &AuthenticationFailedError{}
	var last *AuthenticationFailedError
	if errors.As(attempts[len(attempts)-1].err, &last) {
		*e = *last
	}
	e.message = c.message(attempts)
	e.cause = errors.Join(causes(attempts)...)
	return e
}

// stopped is the error of a chain whose caller's context ended.
func (c *ChainedTokenCredential) stopped(ctx context.Context, attempts []attempt) error {
	msg := c.name + ": " + ctx.Err().Error()
	if len(attempts) > 0 {
		msg = c.message(attempts)
	}
	return &AuthenticationFailedError{message: msg, cause: errors.Join(append(causes(attempts), ctx.Err())...)}
}

// message puts the error that stopped the chain first, then one line for each
// source that was skipped before it.
func (c *ChainedTokenCredential) message(attempts []attempt) string {
	var b strings.Builder
	last := attempts[len(attempts)-1]
	skipped := attempts
	if IsCredentialUnavailable(last.err) {
		fmt.Fprintf(&b, "%s: none of its %d credentials could get a token", c.name, len(attempts))
	} else {
		skipped = attempts[:len(attempts)-1]
		fmt.Fprintf(&b, "%s: %s", c.name, named(last))
	}
	if len(skipped) > 0 {
		b.WriteString("\nAttempted credentials:")
	}
	for _, a := range skipped {
		fmt.Fprintf(&b, "\n\t%s", strings.ReplaceAll(named(a), "\n", "\n\t\t"))
	}
	return b.String()
}

// named is the text of an attempt's error, which begins with the credential's
// name if it is one of ours.
func named(a attempt) string {
	if text := a.err.Error(); strings.HasPrefix(text, a.name) {
		return text
	}
	return a.name + ": " + a.err.Error()
}

// typeName is "ClientSecretCredential" for a *azidentity.ClientSecretCredential.
func typeName(cred azcore.TokenCredential) string {
	name := fmt.Sprintf("%T", cred)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// Close closes all sources that can be closed.
func (c *ChainedTokenCredential) Close() error {
	var errs []error
	for _, s := range c.sources {
		errs = append(errs, closeCredential(s))
	}
	return errors.Join(errs...)
}

var _ azcore.TokenCredential = (*ChainedTokenCredential)(nil)

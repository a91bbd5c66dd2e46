package azidentity_test

import (
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m, entra.SharedTransport, entra.DirectTransport) }
